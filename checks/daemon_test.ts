import type { InterceptEntry, Status } from "../wire/control.ts";
import { interceptEntry } from "../wire/testing/intercept_entry.ts";
import { addresses } from "./addresses.ts";
import { capture } from "./capture.ts";
import { daemon } from "./daemon.ts";
import { helper } from "./helper.ts";
import { intercepts } from "./intercepts.ts";
import { leftovers } from "./leftovers.ts";
import { machinePaths } from "./parts.ts";
import { noDaemon, runningDaemon } from "./testing/daemon.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";
import { Folder } from "./testing/folder.ts";
import { tunnel } from "./tunnel.ts";

const intercept: InterceptEntry = { ...interceptEntry, pods: { ready: 1, all: 2 } };

Deno.test("intercepts are right, or what keeps callers from the user's program is a warning", async () => {
  const of = (...all: InterceptEntry[]) =>
    findingsOf(intercepts, { daemon: runningDaemon({ status: { intercepts: all } }) });
  assertFinding(await of(), "skipped", /Nothing is intercepted/);
  assertSound(await of(intercept));
  assertFinding(await of(intercept), "ok", /echo\.default:80 leads to localhost:8081, in 1 of 2 pods/);
  assertFinding(
    await of({ ...intercept, silentSince: "2026-01-01T12:00:00Z" }),
    "warning",
    /nothing listens at localhost:8081 since 2026-01-01T12:00:00Z/,
    /Start your program, or end the intercept: `pmz leave echo\.default:80`/,
  );
  assertFinding(
    await of({ ...intercept, problems: ["none of its pods is ready"] }),
    "warning",
    /echo\.default:80: none of its pods is ready/,
    /pmz agent status/,
  );
});

const unusable = () =>
  Promise.resolve(
    { state: "unusable", why: "a daemon of another version runs", remedy: "run: pmz down" } as const,
  );

/** A state folder that the daemon can start with. */
const state = { stateFolder: "/state", stateProblem: () => Promise.resolve(undefined) };

Deno.test("without a daemon, what would keep it from starting is a failure", async () => {
  const stateProblem = (folder: string) =>
    Promise.resolve({
      why: `your domains in ${folder}/names.json can't be read`,
      remedy: "correct the file",
    });
  const parts = { stateFolder: "/state", stateProblem, release: "0.1.0" };
  const findings = await findingsOf(daemon, { ...parts, daemon: noDaemon });
  assertFinding(
    findings,
    "failed",
    /can't start: your domains in \/state\/names\.json/,
    /^Correct the file\.$/,
  );
  assertSound(await findingsOf(daemon, { ...parts, daemon: runningDaemon() }));
});

Deno.test("a running daemon is right, an unusable one is a failure, and without one the check is skipped", async () => {
  const check = (view: typeof noDaemon) => findingsOf(daemon, { ...state, daemon: view, release: "0.1.0" });
  assertSound(await check(runningDaemon()));
  assertFinding(
    await check(runningDaemon({ status: { release: "0.2.0" } })),
    "ok",
    /0\.2\.0 .* this is pmz 0\.1\.0/,
  );
  assertFinding(await check(noDaemon), "skipped", /pmz is not up/);
  assertFinding(await check(unusable), "failed", /another version/, /pmz down/);
});

Deno.test("a tunnel is connected, or the reason is told", async () => {
  const check = (view: typeof noDaemon) => findingsOf(tunnel, { daemon: view, stateFolder: "/state" });
  assertFinding(await check(runningDaemon()), "ok", /dev: connected to the pod gateway-7d9, round trip 9 ms/);
  const why = "no pod of the gateway is ready: it is pending";
  const seen = runningDaemon({
    cluster: { tunnel: { state: "connecting", why, remedy: "look at it: pmz x" } },
  });
  assertFinding(
    await check(seen),
    "failed",
    /it is pending\.$/,
    /^Look at it: pmz x\. The daemon's log: \/state/,
  );
  const dialling = runningDaemon({ cluster: { tunnel: { state: "connecting", why: "the pod is gone" } } });
  assertFinding(await check(dialling), "failed", /the pod is gone/, /pmz agent status.*\/state\/daemon\.log/);
});

Deno.test("without a cluster that uses the gateway the tunnel is not checked", async () => {
  const check = (view: typeof noDaemon) => findingsOf(tunnel, { daemon: view, stateFolder: "/state" });
  assertFinding(
    await check(runningDaemon({ status: { clusters: [] } })),
    "skipped",
    /No cluster is connected/,
  );
  const only = runningDaemon({
    cluster: { mode: "intercept", tunnel: { state: "connecting", why: "not asked for" } },
  });
  assertFinding(await check(only), "skipped", /No cluster is connected/);
});

interface Laptop {
  readonly view?: typeof noDaemon;
  readonly isRoot?: boolean;
  readonly status?: string;
  readonly sudo?: string | undefined;
}

async function checkHelper({ view = noDaemon, isRoot = false, status = "NoNewPrivs:\t0\n", sudo }: Laptop) {
  using folder = new Folder();
  const paths = { ...machinePaths, status: folder.write("status", status) };
  return await findingsOf(helper, {
    daemon: view,
    sudo: () => Promise.resolve(sudo),
    machine: { isRoot, paths },
  });
}

Deno.test("a helper that runs is right", async () => {
  assertFinding(await checkHelper({ view: runningDaemon() }), "ok", /It runs/);
});

Deno.test("a rule of another program that comes before pmz's is warned of, with its table", async () => {
  const precedence = { family: 4, priority: 9, table: 51_820, contested: true } as const;
  const helper = { state: "connected", address: "198.18.255.254", routes: 5, precedence } as const;
  const found = await findingsOf(capture, { capture: () => Promise.resolve({ isWanted: true, helper }) });
  assertFinding(found, "ok", /5 addresses are captured/);
  assertFinding(found, "warning", /IPv4 rule 9 .*table 51820.* again and again/, /ip rule/);
});

Deno.test("that UDP isn't carried is warned of, with its reason", async () => {
  const udpProblem = "this kernel's BPF maps take no UDP socket";
  const helper = { state: "connected", address: "198.18.255.254", routes: 5, udpProblem } as const;
  const found = await findingsOf(capture, { capture: () => Promise.resolve({ isWanted: true, helper }) });
  assertFinding(found, "warning", /UDP isn't carried \(this kernel's BPF maps/, /TCP works/);
});

Deno.test("what others have changed of pmz's own network is told where it is put right, and warned of where it isn't", async () => {
  const last = new Date(2026, 10, 30, 9, 5, 7).getTime();
  const damage = [
    { part: "routes", repaired: 2, last },
    { part: "device", repaired: 10, last, problem: "another program changes it again and again" },
  ] as const;
  const helper = { state: "connected", address: "198.18.255.254", routes: 5, damage } as const;
  const found = await findingsOf(capture, { capture: () => Promise.resolve({ isWanted: true, helper }) });
  assertFinding(found, "ok", /changed pmz's routes 2 times, the last time at 09:05:07: .* right/);
  assertFinding(found, "warning", /pmz's network device .* again and again/, /pmz up/);
});

Deno.test("a firewall that drops captured connections is warned of, with its rule where that is known", async () => {
  const by = { chain: "ip filter OUTPUT", rule: 'oifname != "wg0" fib daddr type != local reject' };
  const blocked = [{ to: "10.96.0.7:80", by }, { to: "100.64.3.7:8080" }];
  const helper = { state: "connected", address: "198.18.255.254", routes: 5, blocked } as const;
  const found = await findingsOf(capture, { capture: () => Promise.resolve({ isWanted: true, helper }) });
  assertFinding(
    found,
    "warning",
    /drops connections to 10\.96\.0\.7:80: ip filter OUTPUT: oifname != "wg0"/,
    /kill switch/,
  );
  assertFinding(found, "warning", /100\.64\.3\.7:8080 .* something drops them/, /nft list ruleset/);
});

Deno.test("NAT that leads captured connections elsewhere, and what drops questions for names, are warned of", async () => {
  const by = { chain: "ip nat OUTPUT", rule: "dnat to 127.0.0.1", leadsTo: "127.0.0.1:80" };
  const blocked = [
    { to: "10.96.0.7:80", by, isLedElsewhere: true },
    { to: "10.96.0.8:80", isLedElsewhere: true },
    { to: "127.77.0.1:40053", isOfNames: true },
  ] as const;
  const helper = { state: "connected", address: "198.18.255.254", routes: 5, blocked } as const;
  const found = await findingsOf(capture, { capture: () => Promise.resolve({ isWanted: true, helper }) });
  assertFinding(
    found,
    "warning",
    /^This machine's firewall leads connections to 10\.96\.0\.7:80 elsewhere, to 127\.0\.0\.1:80: ip nat OUTPUT: dnat/,
    /Take that rule out/,
  );
  assertFinding(found, "warning", /10\.96\.0\.8:80 are captured, .* something leads them elsewhere/);
  assertFinding(
    found,
    "warning",
    /go to pmz at 127\.77\.0\.1:40053, .* no name is answered/,
    /lo have to pass/,
  );
});

Deno.test("a capture is right with its helper, and a failure once that has ended", async () => {
  const check = (isWanted: boolean, helper: Status["helper"]) =>
    findingsOf(capture, { capture: () => Promise.resolve({ isWanted, helper }) });
  const connected = { state: "connected", address: "198.18.255.254", routes: 5 } as const;
  assertFinding(await check(true, connected), "ok", /5 addresses are captured, from 198\.18\.255\.254/);
  assertFinding(await check(true, { state: "none" }), "failed", /has ended/, /pmz up/);
  assertFinding(await check(false, { state: "none" }), "skipped", /No cluster is captured/);
});

Deno.test("Services whose address can't be reached are named with the reason, and counted", async () => {
  const check = (view: typeof noDaemon) => findingsOf(addresses, { daemon: view });
  assertSound(await check(runningDaemon()));
  const first = Array.from({ length: 20 }, (_, i) => ({
    service: `shop/web-${i}`,
    address: `192.0.2.${i}`,
    why: "a public address",
  }));
  const public_ = runningDaemon({ cluster: { unreachable: { count: 30, first } } });
  assertFinding(
    await check(public_),
    "warning",
    /shop\/web-4 at 192\.0\.2\.4: a public address; and 25 more/,
    /--proxy/,
  );
  assertFinding(
    await check(runningDaemon({ status: { clusters: [] } })),
    "skipped",
    /No cluster is connected/,
  );
});

Deno.test("a helper that doesn't run can be started by root, or with sudo", async () => {
  assertSound(await checkHelper({ isRoot: true }));
  assertFinding(await checkHelper({}), "warning", /not on PATH/, /--proxy/);
  assertFinding(
    await checkHelper({ status: "NoNewPrivs:\t1\n", sudo: "/usr/bin/sudo" }),
    "warning",
    /no_new_privs/,
    /--proxy/,
  );
  const proxied = runningDaemon({ cluster: { mode: "proxy" }, status: { helper: { state: "none" } } });
  assertSound(await checkHelper({ view: proxied, isRoot: true }));
});

Deno.test("a sudo without the setuid bit can't start it", async () => {
  using folder = new Folder();
  const sudo = folder.write("sudo", "#!/bin/sh\n");
  assertFinding(await checkHelper({ sudo }), "warning", /setuid/, /--proxy/);
  if (Deno.uid() !== 0) return; // only root can make one that is root's
  Deno.chmodSync(sudo, 0o4755);
  assertFinding(await checkHelper({ sudo }), "ok", /starts it with/);
});

Deno.test("what a killed pmz left is a warning; while one runs its rules are in use", async () => {
  const check = (view: typeof noDaemon, left: readonly string[]) =>
    findingsOf(leftovers, { daemon: view, leftovers: () => Promise.resolve(left) });
  assertSound(await check(noDaemon, []));
  assertFinding(await check(noDaemon, ["an empty rule"]), "warning", /an empty rule/, /pmz up/);
  assertFinding(await check(runningDaemon(), ["a rule"]), "skipped", /uses its rules/);
});
