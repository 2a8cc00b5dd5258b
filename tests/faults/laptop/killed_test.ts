import assert from "node:assert/strict";
import { pollUntil } from "../../../async/poll_until.ts";
import { connected, daemonOf, grantFor, greet, OTHER, USER } from "./connected.ts";
import { childrenOf, restored } from "./leftovers.ts";
import type { Outcome } from "./person.ts";
import { type Program, Room, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
const SERVICE = "10.96.0.10";

/** Captures and names, with a connection that stays open. */
async function busy(daemon: Program, user: Program): Promise<void> {
  await daemon.do({ do: "listen", family: 4, workers: 2 });
  await daemon.do({ do: "listen", family: 6, workers: 2 });
  const add = Array.from(
    { length: 300 },
    (_, i) => ({ address: `10.96.${i >> 8}.${i & 255}`, ports: "any" }),
  );
  const request = { ask: "capture", add: [...add, { address: "fd00:10::a", ports: "any" }] };
  assert.deepEqual(await daemon.do({ do: "ask", request }), { ok: true, refused: [] });
  await daemon.do({ do: "names", nameservers: ["10.50.0.53", "127.0.0.53"] });
  assert.match((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "", /took/);
  await daemon.do({ do: "udp" });
  for (const to of [`${SERVICE}:53`, "[fd00:10::a]:53"]) {
    assert.match((await user.do<Outcome>({ kind: "udp", to, say: "?" })).said ?? "", /heard/);
  }
}

for (const victim of ["daemon", "helper"] as const) {
  Deno.test({
    name: `after kill -9 of the ${victim} the machine's network is as before, within a second${reason}`,
    ignore,
  }, async () => {
    await using room = await Room.open();
    const user = await room.person(USER);
    const before = await room.snapshot();
    const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
    await helper.line();
    const daemon = await daemonOf(room, USER);
    await greet(daemon);
    await busy(daemon, user);
    assert.notDeepEqual(await room.snapshot(), before);
    Deno.kill((victim === "daemon" ? daemon : helper).pid, "SIGKILL");
    if (victim === "helper") {
      // Its own sockets are no part of what the helper has to take back.
      await new Promise((resolve) => setTimeout(resolve, 300));
      await daemon.kill("SIGKILL");
    }
    await helper.ended;
    const files = victim === "helper" ? { files: (await room.snapshot()).files } : {}; // a killed one can't delete its socket
    await restored(room, { ...before, ...files }, 1_000);
  });
}

Deno.test(
  { name: `a janitor that is killed is replaced, and cleans up all the same${reason}`, ignore },
  async () => {
    await using room = await Room.open();
    const user = await room.person(USER);
    const before = await room.snapshot();
    const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
    await helper.line();
    const daemon = await daemonOf(room, USER);
    await greet(daemon);
    await busy(daemon, user);
    for (let i = 0; i < 2; i++) {
      const [janitor] = await childrenOf(helper.pid);
      assert.ok(janitor);
      Deno.kill(janitor, "SIGKILL");
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.notEqual((await childrenOf(helper.pid))[0], janitor);
    }
    assert.match((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "", /took/);
    Deno.kill(helper.pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 300));
    await daemon.kill("SIGKILL");
    await restored(room, { ...before, files: (await room.snapshot()).files }, 1_000);
  },
);

Deno.test(
  { name: `connections that programs hold are reset when the helper is killed${reason}`, ignore },
  async () => {
    await using laptop = await connected();
    const { room, daemon, helper, address } = laptop;
    const user = await room.person(USER);
    await busy(daemon, user);
    const open = user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80`, say: "wait", linger: true });
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.match(await room.says("ss", "-Htn", "src", address), /ESTAB/);
    Deno.kill(helper.pid, "SIGKILL");
    assert.equal((await open).failed, "ECONNABORTED"); // SOCK_DESTROY says so to its holder
  },
);

Deno.test(
  { name: `what a killed helper and janitor left is taken by the next one${reason}`, ignore },
  async () => {
    await using room = await Room.open();
    const before = await room.snapshot();
    const first = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
    await first.line();
    const [janitor] = await childrenOf(first.pid);
    assert.ok(janitor);
    Deno.kill(first.pid, "SIGKILL");
    Deno.kill(janitor, "SIGKILL");
    await first.ended;
    assert.match(await room.says("ip", "rule"), /uidrange 20001-20001/, "an empty rule stays");
    const second = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
    assert.equal((await second.line()).ready, true);
    assert.equal((await room.says("ip", "rule")).match(/uidrange 20001-20001/g)?.length, 1);
    await second.kill("SIGTERM");
    await restored(room, before, 1_000);
  },
);

Deno.test(
  { name: `a helper that is killed during a trace leaves nothing, and the next one starts${reason}`, ignore },
  async () => {
    await using laptop = await connected();
    const { room, daemon, helper } = laptop;
    await busy(daemon, await room.person(USER));
    void daemon.do({ do: "ask", request: { ask: "trace", address: SERVICE, port: 81 } }).catch(() => {});
    const monitor = await pollUntil(() => monitorBelow(helper.pid));
    assert.ok(monitor !== undefined, "it traces");
    assert.ok(await pollUntil(async () => /pmz_trace/.test(await room.says("nft", "list", "ruleset"))));
    Deno.kill(helper.pid, "SIGKILL");
    await daemon.kill("SIGKILL");
    await helper.ended;
    const second = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
    assert.equal((await second.line()).ready, true);
    assert.doesNotMatch(await room.says("nft", "list", "ruleset"), /pmz/);
    assert.ok(await pollUntil(() => commandOf(monitor) === undefined), "its monitor has ended");
    await second.kill("SIGTERM");
  },
);

Deno.test({ name: `nft is run where something was traced, and else never${reason}`, ignore }, async () => {
  for (const traces of [false, true]) {
    await using laptop = await connected();
    const { room, daemon, helper } = laptop;
    const logging =
      'printf "#!/bin/sh\\necho \\"\\$*\\" >>/run/nft.log\\nexec /run/nft.real \\"\\$@\\"\\n" >/run/nft; ' +
      "nft=$(readlink -f /usr/sbin/nft); cp $nft /run/nft.real; chmod 755 /run/nft /run/nft.real; " +
      ": >/run/nft.log; mount --bind /run/nft $nft";
    await room.says("sh", "-c", logging);
    await busy(daemon, await room.person(USER));
    if (traces) await daemon.do({ do: "ask", request: { ask: "trace", address: SERVICE, port: 81 } });
    await daemon.kill("SIGKILL");
    await helper.ended;
    const said = await room.says("cat", "/run/nft.log");
    if (traces) assert.match(said, /monitor trace[^]*delete table inet pmz_trace/);
    else assert.equal(said, "");
  }
});

Deno.test(
  { name: `a trace ends when its monitor's shell is killed, and the helper lives${reason}`, ignore },
  async () => {
    await using laptop = await connected();
    const { room, daemon, helper } = laptop;
    await busy(daemon, await room.person(USER));
    const trace = { do: "ask", request: { ask: "trace", address: SERVICE, port: 81 } };
    const traced = daemon.do<{ ok: boolean }>(trace);
    const monitor = await pollUntil(() => monitorBelow(helper.pid));
    assert.ok(monitor !== undefined, "it traces");
    const shell = (await childrenOf(helper.pid)).find((pid) => commandOf(pid)?.includes("monitor trace"));
    assert.ok(shell !== undefined && shell !== monitor);
    Deno.kill(shell, "SIGKILL");
    assert.equal((await traced).ok, true);
    Deno.kill(monitor, "SIGKILL");
    assert.equal((await daemon.do<{ ok: boolean }>(trace)).ok, true);
  },
);

Deno.test(
  { name: `a janitor that is late takes nothing of the next helper's${reason}`, ignore },
  async () => {
    await using room = await Room.open();
    const before = await room.snapshot();
    const janitor = await lateJanitor(room);
    const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
    const ready = helper.line();
    await Promise.race([ready, new Promise((resolve) => setTimeout(resolve, 2_000))]);
    Deno.kill(janitor, "SIGCONT");
    assert.equal((await ready).ready, true);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal((await room.says("ip", "rule")).match(/uidrange 20001-20001/g)?.length, 1);
    await helper.kill("SIGTERM");
    await restored(room, before, 1_000);
  },
);

Deno.test(
  { name: `a janitor that is late takes nothing of another user who comes meanwhile${reason}`, ignore },
  async () => {
    await using room = await Room.open();
    const before = await room.snapshot();
    const janitor = await lateJanitor(room);
    const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(OTHER));
    assert.equal((await helper.line()).ready, true);
    const daemon = await daemonOf(room, OTHER);
    const { address } = await greet(daemon);
    assert.equal(
      address,
      "198.18.255.253",
      "the first user's address isn't free before the janitor has ended",
    );
    await busy(daemon, await room.person(OTHER));
    const rules = async () =>
      (await room.says("ip", "rule")).split("\n").filter((one) => /726901/.test(one)).length;
    assert.equal(await rules(), 3);
    Deno.kill(janitor, "SIGCONT");
    const isClean = async () => !/lookup 726900/.test(await room.says("ip", "rule"));
    assert.ok(await pollUntil(isClean, { timeoutMs: 3_000 }));
    assert.equal(await rules(), 3);
    await daemon.kill("SIGKILL");
    await helper.ended;
    await restored(room, { ...before, files: (await room.snapshot()).files }, 1_000);
  },
);

/** The janitor of a user's helper that was killed: it is stopped before it has cleaned up, as on a machine that is busy. */
async function lateJanitor(room: Room): Promise<number> {
  const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
  await helper.line();
  const [janitor] = await childrenOf(helper.pid);
  assert.ok(janitor);
  Deno.kill(janitor, "SIGSTOP");
  Deno.kill(helper.pid, "SIGKILL");
  await helper.ended;
  return janitor;
}

/** nftables' monitor among the processes below one. */
async function monitorBelow(pid: number): Promise<number | undefined> {
  for (const child of await childrenOf(pid).catch(() => [])) {
    if (/^\S*nft monitor trace/.test(commandOf(child) ?? "")) return child;
    const below = await monitorBelow(child);
    if (below !== undefined) return below;
  }
}

/** A process's command line; undefined when it has ended. */
function commandOf(pid: number): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ") || undefined;
  } catch {
    return undefined;
  }
}
