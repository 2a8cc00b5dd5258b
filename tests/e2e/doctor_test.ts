import assert from "node:assert/strict";
import type { CheckId, CheckResult, FindingLevel } from "../../wire/doctor.ts";
import type { Ended } from "./lib/command.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";

/** What `pmz doctor -o json` says. */
interface Report {
  readonly ended: Ended;
  readonly ok: boolean;
  outcome(id: CheckId): FindingLevel | undefined;
  /** What a check saw, and its remedies. */
  text(id: CheckId): string;
}

async function doctor(
  person: Pmz,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Report> {
  const ended = await person.run(["doctor", ...args, "-o", "json"], { timeout: 60_000, env });
  const { ok, items } = JSON.parse(ended.stdout) as { ok: boolean; items: readonly CheckResult[] };
  assert.equal(ended.code, ok ? 0 : 1, ended.stderr);
  const find = (id: CheckId) => items.find((item) => item.id === id);
  return {
    ended,
    ok,
    outcome: (id) => find(id)?.outcome,
    text: (id) =>
      find(id)?.findings.map((finding) =>
        "remedy" in finding ? `${finding.saw} ${finding.remedy}` : finding.saw
      )
        .join("\n") ?? "",
  };
}

/** Repeats doctor until a check has this outcome. */
async function until(person: Pmz, id: CheckId, outcome: FindingLevel): Promise<Report> {
  for (const end = performance.now() + 60_000;;) {
    const report = await doctor(person);
    if (report.outcome(id) === outcome) return report;
    assert.ok(performance.now() < end, `${id} doesn't become ${outcome}: ${report.text(id)}`);
  }
}

Deno.test("before up doctor finds a laptop that is ready for it, without root, and changes nothing", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  await alice.done(["agent", "deploy"], { timeout: 60_000 });
  await alice.done(["down"]);
  const before = await world.laptop.snapshot();
  const report = await doctor(alice);
  assert.ok(report.ok, report.ended.stdout);
  for (
    const id of ["platform", "kernel", "cgroup", "tun", "programs", "api-server", "rights", "agent"] as const
  ) {
    assert.equal(report.outcome(id), "ok", report.text(id));
  }
  assert.doesNotMatch(report.text("kernel"), /by its version/, "the kernel's symbols were read");
  assert.match(report.text("helper"), /`pmz up` starts it with \/usr\/bin\/sudo/);
  assert.deepEqual(["daemon", "tunnel", "short-names"].map((id) => report.outcome(id as CheckId)), [
    "skipped",
    "skipped",
    "skipped",
  ]);
  await world.laptop.settles(before, 2_000);
});

Deno.test("after up doctor finds daemon, helper and tunnel, and then what has gone of them", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  const up = await doctor(alice);
  assert.ok(up.ok, up.ended.stdout);
  for (const id of ["daemon", "helper", "tunnel", "capture", "addresses", "agent", "short-names"] as const) {
    assert.equal(up.outcome(id), "ok", up.text(id));
  }
  assert.equal(up.outcome("leftovers"), "skipped");

  await world.laptop.output("root", ["kill", "-9", String(await alice.helper())]);
  const withoutHelper = await until(alice, "capture", "failed");
  assert.match(withoutHelper.text("capture"), /has ended.*pmz up/);
  assert.match(withoutHelper.ended.stderr, /error: 1 check failed: capture/);
  assert.match((await alice.run(["status"])).stderr, /warning: The root helper has ended/);

  await world.kubectl(["-n", "pmz", "delete", "deployment", "gateway", "--wait"]);
  try {
    const withoutAgent = await until(alice, "tunnel", "failed");
    assert.match(withoutAgent.text("agent"), /not installed.*pmz agent deploy/);
    assert.match(withoutAgent.text("tunnel"), /the tunnel to the gateway isn't up: .*Look at the gateway/);
    assert.equal(withoutAgent.outcome("api-server"), "ok");
  } finally {
    await alice.done(["agent", "deploy", "--component", "gateway"], { timeout: 60_000 });
  }
  await until(alice, "tunnel", "ok");
});

Deno.test("a firewall's rule that comes or goes after a look is seen by the next one", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  const rule = (how: string) =>
    world.laptop.output("root", ["iptables", how, "OUTPUT", "-d", "10.96.0.0/16", "-j", "REJECT"]);
  assert.equal((await doctor(alice)).outcome("capture"), "ok");
  await rule("-I");
  try {
    const blocked = await doctor(alice);
    assert.equal(blocked.outcome("capture"), "warning");
    assert.match(blocked.text("capture"), /firewall drops connections to 10\.96\.\S+: .*OUTPUT.*reject/i);
  } finally {
    await rule("-D");
  }
  assert.equal((await doctor(alice)).outcome("capture"), "ok");
});

Deno.test("without the agent doctor warns before up, and says what installs it", async () => {
  await using stage = await Stage.set();
  const { alice } = stage;
  await alice.done(["agent", "delete", "--yes"], { timeout: 60_000 });
  const report = await doctor(alice);
  assert.ok(report.ok, report.ended.stdout);
  assert.equal(report.outcome("agent"), "warning");
  assert.match(report.text("agent"), /`pmz up` asks, and installs it/);
});

Deno.test("who lacks rights is told which, and what an administrator types helps", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  await alice.done(["agent", "deploy"], { timeout: 60_000 });
  const carol = ["--kubeconfig", "/home/alice/.kube/carol"];
  const report = await doctor(alice, carol);
  assert.equal(report.outcome("rights"), "failed");
  assert.match(
    report.text("rights"),
    /You may list services, endpointslices, pods in namespace default only/,
  );
  const lines = report.text("rights").matchAll(/kubectl (.*)$/gm);
  const bindings = [...lines].map(([, line = ""]) => line.split(" "));
  assert.equal(bindings.length, 4);
  try {
    for (const binding of bindings) await world.kubectl(binding);
    const allowed = await doctor(alice, carol);
    assert.ok(allowed.ok, allowed.text("rights"));
    assert.equal(allowed.outcome("rights"), "ok", allowed.text("rights"));
    await alice.done(["up", "--proxy", ...carol], { timeout: 60_000 });
  } finally {
    await world.kubectl(["delete", "clusterrolebinding", "pmz-use-carol", "--ignore-not-found"]);
    for (const namespace of ["default", "pmz", "pmz-node"]) {
      const both = ["pmz-use-carol", "pmz-intercept-carol"];
      await world.kubectl(["-n", namespace, "delete", "rolebinding", ...both, "--ignore-not-found"]);
    }
  }
});

Deno.test("an API server that doesn't answer, and a proxy in the shell, are found in bounded time", async () => {
  await using stage = await Stage.set();
  const { alice } = stage;
  await alice.shell("sed 's#server: .*#server: https://10.77.255.253:6443#' ~/.kube/config > ~/elsewhere");
  try {
    const begun = performance.now();
    const report = await doctor(alice, ["--kubeconfig", "/home/alice/elsewhere"]);
    assert.ok(performance.now() - begun < 20_000);
    assert.equal(report.outcome("api-server"), "failed");
    assert.deepEqual([report.outcome("rights"), report.outcome("kernel")], ["skipped", "ok"]);
    const proxied = await doctor(alice, ["program-proxy"], { http_proxy: "http://proxy.test:3128" });
    assert.equal(proxied.outcome("program-proxy"), "warning");
    assert.match(proxied.text("program-proxy"), /export NO_PROXY=\.svc,/);
    const up = await alice.run(["up", "--yes"], {
      timeout: 60_000,
      env: { http_proxy: "http://proxy.test:3128" },
    });
    assert.match(up.stderr, /warning: http_proxy is set.*\n {2}hint: export NO_PROXY=/);
  } finally {
    await alice.shell("rm ~/elsewhere");
  }
});

Deno.test("a laptop whose programs ask systemd-resolved is warned of by up, by status and by doctor", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  const asRoot = (script: string) => world.laptop.output("root", ["sh", "-ec", script]);
  await asRoot(`
    mkdir -p /run/systemd/resolve && touch /run/systemd/resolve/io.systemd.Resolve
    cp /etc/nsswitch.conf /etc/nsswitch.conf.before
    sed -i 's/^hosts:.*/hosts: files resolve [!UNAVAIL=return] dns/' /etc/nsswitch.conf`);
  try {
    const warned = /warning: Programs ask systemd-resolved.*\n {2}hint: .*--proxy/;
    assert.match((await alice.up()).stderr, warned);
    assert.match((await alice.done(["status"])).stderr, warned);
    const report = await doctor(alice, ["name-service"]);
    assert.equal(report.outcome("name-service"), "warning");
  } finally {
    await asRoot(
      "mv /etc/nsswitch.conf.before /etc/nsswitch.conf; rm -r /run/systemd/resolve; rmdir --ignore-fail-on-non-empty /run/systemd",
    );
  }
  assert.equal((await doctor(alice, ["name-service"])).outcome("name-service"), "ok");
});
