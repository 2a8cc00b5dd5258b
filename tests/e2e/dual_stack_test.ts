import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { parseAddress } from "../../net/address.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import { askByUdp } from "./lib/datagrams.ts";
import { answersInCluster, answersOf, readAnswers } from "./lib/dns.ts";
import { output } from "./lib/command.ts";
import { cluster } from "./lib/laptop.ts";
import { Stage } from "./lib/stage.ts";
import { udpAnswers } from "./lib/udp_answers.ts";
import { World } from "./lib/world.ts";

const KINDS = ["A", "AAAA", "SRV", "PTR", "CNAME", "ANY", "TXT", "HTTPS"];
const NAMES = [
  "echo.default.svc",
  "echo.other.svc",
  "kubernetes.default.svc",
  "_http._tcp.echo.default.svc",
  "peers.default.svc",
  "peers-0.peers.default.svc",
  "_web._tcp.peers.default.svc",
  "nosuch.default.svc",
];

/** The name of an address in in-addr.arpa or ip6.arpa. */
function reversed(text: string): string {
  const address = parseAddress(text);
  assert.ok(address, text);
  if (address.family === 4) return `${text.split(".").reverse().join(".")}.in-addr.arpa`;
  return `${[...address.bytes.toHex()].reverse().join(".")}.ip6.arpa`;
}

Deno.test("in a dual-stack cluster names answer as in a pod, both families are reached, and both of an intercepted UDP port", async () => {
  await using stage = await Stage.set();
  const { alice } = stage;
  const world = await World.up({ name: "dual", dualStack: true });
  await using undo = new AsyncDisposableStack();
  // Other tests know one context.
  undo.defer(async () => {
    await alice.run(["down"]);
    await output([cluster, "down", "--name", "dual"], { timeout: 60_000 });
  });
  await alice.up("--context", "dual");
  const list = async (what: string, path: string) =>
    (await world.kubectl(["get", ...what.split(" "), "-o", `jsonpath=${path}`])).trim().split(/\s+/);
  const addresses = [
    ...await list("service echo", "{.spec.clusterIPs[*]}"),
    ...await list("pod peers-0", "{.status.podIPs[*].ip}"),
  ];
  assert.equal(addresses.filter((one) => one.includes(":")).length, 2, addresses.join());
  const questions = [
    ...NAMES.flatMap((name) => KINDS.map((kind) => `${name}.cluster.local/${kind}`)),
    ...addresses.map((address) => `${reversed(address)}/PTR`),
  ];
  let differences: string[] = [];
  // CoreDNS keeps an answer for up to 30 s.
  await pollUntil(async () => {
    const pod = readAnswers(await answersInCluster(world, questions));
    const laptop = readAnswers(await answersOf(alice.laptop, "alice", questions));
    differences = questions.filter((one) => pod.get(one) !== laptop.get(one))
      .map((one) => `${one}: in a pod "${pod.get(one)}", on the laptop "${laptop.get(one)}"`);
    return differences.length === 0;
  }, { timeoutMs: 40_000, everyMs: 2_000 });
  assert.deepEqual(differences, []);

  for (const family of ["-4", "-6"]) {
    assert.match(await alice.shell(`curl -sS -m5 ${family} http://echo.default.svc/`), /"pod":"echo-/);
    assert.match(await alice.shell(`curl -sS -m5 ${family} http://peers-0.peers:8080/`), /"pod":"peers-0"/);
  }
  const clusterIPs = await list("service echo", "{.spec.clusterIPs[*]}");
  for (const address of clusterIPs) {
    for (const way of ["connected", "unconnected"]) {
      const answers = await askByUdp(alice, way, address, "9001", "one", "two");
      assert.deepEqual(answers.map(([from]) => from), [`${address}:9001`, `${address}:9001`]);
      assert.match(String(answers[1]?.[1]), /^echo-\S+: two$/);
    }
    assert.deepEqual((await askByUdp(alice, "connected", address, "9999", "?"))[0], ["", "ECONNREFUSED"]);
  }
  await alice.done(["down"]);
  const { stdout } = await alice.up("--proxy", "--context", "dual");
  const [, proxy = ""] = /through the proxy (\S+)/.exec(stdout) ?? [];
  for (const host of ["echo", "peers-0.peers:8080", `[${addresses.find((one) => one.includes(":"))}]`]) {
    assert.match(await alice.shell(`curl -sS -m5 -x http://${proxy} http://${host}/`), /"pod":"/, host);
  }

  const local = { as: "on-the-laptop", http: 8081, tcp: 9100, udp: 9101 };
  await using _program = await answer(stage.world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "9101:udp", "--context", "dual", "--yes"], { timeout: 60_000 });
  for (const address of addresses.slice(0, 2)) {
    assert.deepEqual(await udpAnswers(caller, `${address}/9001`, 5), Array(5).fill(local.as), address);
  }
  await alice.done(["leave", "echo"]);
  for (const address of addresses.slice(0, 2)) {
    assert.ok(
      (await udpAnswers(caller, `${address}/9001`, 5)).every((name) => name.startsWith("echo-")),
      address,
    );
  }
});
