import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { ServiceEntry } from "../../wire/control.ts";
import { Stage } from "./lib/stage.ts";

/** A Service that comes first and whose only endpoint the nodes drop all packets to. */
const silent = [
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "aaa-silent", namespace: "default" },
    spec: { ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  },
  {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "aaa-silent-1",
      namespace: "default",
      labels: { "kubernetes.io/service-name": "aaa-silent" },
    },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: [{ addresses: ["10.9.0.5"], conditions: { ready: true } }],
  },
];

Deno.test("a Service that doesn't answer is a warning, the next one is tried, and pmz is up", async () => {
  await using stage = await Stage.set();
  const { world, bob } = stage;
  const drop = ["FORWARD", "-d", "10.9.0.5", "-j", "DROP"];
  for (const one of silent) await world.apply(one);
  for (const node of [1, 2]) {
    await world.onNode(node, ["iptables", "-I", ...drop]);
    // Until kube-proxy knows the endpoint, the node refuses.
    const known = "iptables-save -t nat | grep -q 'default/aaa-silent:http -> 10.9.0.5:8080'";
    const isKnown = async () => (await world.onNode(node, ["sh", "-c", known])).code === 0;
    await until(`node ${node} knows the endpoint`, isKnown, 30_000);
  }
  try {
    const { code, stdout, stderr } = await bob.run(["up", "--yes"], { timeout: 60_000 });
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /warning: aaa-silent\.default:80 doesn't accept connections: no answer .* within 3 s/,
    );
    assert.match(stdout, /^tried: echo\.default:80 accepted a connection/m);
    assert.match(await bob.shell("curl -sS -m5 http://echo.default.svc/"), /echo-/);
  } finally {
    for (const node of [1, 2]) await world.onNode(node, ["iptables", "-D", ...drop]);
    await world.kubectl(["delete", "service/aaa-silent", "endpointslice/aaa-silent-1"]);
  }
});

Deno.test("where a network of the laptop has the Service range, Services are reached by virtual addresses until it is gone", async () => {
  await using stage = await Stage.set();
  const { world, bob } = stage;
  const root = (line: string) => world.laptop.output("root", ["bash", "-c", line]);
  await root(
    "ip link add br-x type bridge && ip addr add 10.96.255.254/16 dev br-x && ip link set br-x up",
  );
  try {
    const { code, stdout, stderr } = await bob.run(["up", "--yes"], { timeout: 60_000 });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^up: \d+ Services of one answer by name$/m);
    assert.match(stdout, /^tried: echo\.default:80 accepted a connection/m);
    assert.match((await bob.done(["status"])).stdout, /virtual .*\(br-x\)/);
    const echo = async () => {
      const { items } = await bob.json<{ items: ServiceEntry[] }>(["services"]);
      return items.find(({ name }) => name === "echo");
    };
    const { addresses = [], virtual = [], unreachable } = await echo() ?? {};
    assert.match(addresses.join(), /^198\.19\.\d+\.\d+$/);
    assert.match(virtual[0]?.why ?? "", /^in 10\.96\.0\.0\/16, .*\(br-x\)$/);
    assert.equal(unreachable, undefined);
    assert.match((await bob.done(["services"])).stderr, /default\/echo at 10\.96\..*\(br-x\)/);
    assert.match(await bob.shell("curl -sS -m5 http://echo.default.svc/"), /echo-/);
    await root("ip link del br-x");
    await until("all is captured as it is", async () => (await echo())?.virtual === undefined, 15_000);
    assert.match(await bob.shell(`curl -sS -m5 http://${addresses[0]}/`), /echo-/, "who knows it reaches it");
    assert.match(await bob.shell("curl -sS -m5 http://echo.default.svc/"), /echo-/);
    assert.match((await bob.done(["up"])).stdout, /^up already: \d+ Services of one answer by name$/m);
  } finally {
    await world.laptop.run("root", ["ip", "link", "del", "br-x"]);
  }
});

Deno.test("two ups at once are both up, and what was started twice is there once", async () => {
  await using stage = await Stage.set();
  const { world, bob } = stage;
  await bob.up();
  const installed = await bob.run(["down"]);
  assert.equal(installed.code, 0);
  const both = await Promise.all([1, 2].map(() => bob.run(["up", "--yes"], { timeout: 60_000 })));
  for (const { code, stdout, stderr } of both) {
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^up(?: already)?: \d+ Services of one answer by name$/m);
  }
  const rules = await world.laptop.output("root", ["ip", "-4", "rule"]);
  assert.equal(rules.match(/from all iif lo uidrange/g)?.length, 1, rules);
  assert.match(await bob.shell("curl -sS -m5 http://echo.default.svc/"), /echo-/);
});

Deno.test("a firewall's rule that takes what is captured is a warning with what was seen, and pmz is up", async () => {
  await using stage = await Stage.set();
  const { world, bob } = stage;
  const rule = (how: string) =>
    world.laptop.output("root", ["iptables", how, "OUTPUT", "-d", "10.96.0.0/16", "-j", "REJECT"]);
  await rule("-I");
  try {
    const { code, stdout, stderr } = await bob.run(["up", "--yes"], { timeout: 60_000 });
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /warning: echo\.default:80 doesn't accept .*10\.96\.\S+ is captured, and a connection on this machine fails: no answer/,
    );
    assert.match(
      stderr,
      /warning: This machine's firewall drops connections to 10\.96\.\S+: .*OUTPUT.*reject/i,
    );
    assert.match(stdout, /^tried: peers\.default:8080 accepted a connection/m);
    assert.match(await bob.shell("curl -sS -m5 http://peers-0.peers.default.svc:8080/"), /peers-0/);
  } finally {
    await rule("-D");
  }
});

Deno.test("who intercepts a Service from another machine is listed, and a shell completes what the daemon knows", async () => {
  await using stage = await Stage.set();
  const { alice, otherBob } = stage;
  await alice.done(["intercept", "echo", "8081", "--yes"], { timeout: 120_000 });
  await otherBob.up("--proxy");
  assert.match((await otherBob.done(["services"])).stdout, /^echo\.default\.svc .* by alice/m);
  const { items } = await otherBob.json<{ items: ServiceEntry[] }>(["services"]);
  assert.equal(items.find(({ name }) => name === "echo")?.interceptedBy?.length, 1);
  const completed = (line: string) =>
    alice.shell(`
      source <(pmz completion bash)
      COMP_LINE='${line}' COMP_POINT=\${#COMP_LINE}
      COMP_WORDS=(${line}) COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _pmz && printf '%s\\n' "\${COMPREPLY[@]}"`);
  assert.match(await completed("pmz leave ec"), /^echo\.default:80 ?$/m);
  assert.match(await completed("pmz intercept ec"), /^echo\.other ?$/m);
});
