import assert from "node:assert/strict";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { hello, identity, Laptop, uid, until } from "../testing/laptop.ts";
import { memoryLog } from "../testing/log.ts";
import { Tunnels } from "./tunnels.ts";

function makeTunnels(unprovenMs?: number) {
  const { log, lines: logged } = memoryLog();
  const seen = { proven: [] as readonly string[] };
  const tunnels = new Tunnels({
    identity,
    onProven: (rules) => seen.proven = rules,
    log,
    ...(unprovenMs === undefined ? {} : { unprovenMs }),
  });
  const dial = (laptop: Laptop) => {
    const [theirs, ours] = memoryPair();
    tunnels.add(ours);
    return laptop.serve(theirs);
  };
  return { tunnels, seen, logged, dial };
}

Deno.test("a rule is proven once a tunnel has proven its session, until that tunnel closes", async () => {
  const laptop = await Laptop.make();
  const { tunnels, seen, dial } = makeTunnels();
  await using _ = tunnels;
  tunnels.setRules([laptop.rule(uid(10)), { ...laptop.rule(uid(11)), session: uid(2) }]);
  const connection = dial(laptop);
  await until(() => seen.proven.join() === uid(10), "the rule is proven");
  assert.equal(tunnels.of(uid(10)).length, 1);
  assert.equal(tunnels.of(uid(11)).length, 0);
  connection.abort();
  await until(() => seen.proven.length === 0, "the rule isn't proven any more");
});

Deno.test("a tunnel that broke is logged with its node, the reason, and how many connections were reset", async () => {
  let carried = 0;
  const laptop = await Laptop.make({ onStream: () => void carried++ });
  const { tunnels, logged, dial } = makeTunnels();
  await using _ = tunnels;
  tunnels.setRules([laptop.rule(uid(10))]);
  const connection = dial(laptop);
  await until(() => tunnels.of(uid(10)).length === 1, "the rule is proven");
  const [tunnel] = tunnels.of(uid(10));
  for (let i = 0; i < 2; i++) tunnel?.open([[":method", "CONNECT"], [":authority", `${uid(10)}:80`]]);
  await until(() => carried === 2, "the connections are carried");
  connection.abort();
  const broke = () => logged.find((line) => line.includes("tunnel broke"));
  await until(() => broke() !== undefined, "it's logged");
  const line = JSON.parse(broke() ?? "") as Record<string, unknown>;
  assert.deepEqual([line.level, line.node, line.count], ["warn", identity.node, 2]);
});

Deno.test("a later rule is proven on the tunnel that is open", async () => {
  const laptop = await Laptop.make();
  const { tunnels, seen, dial } = makeTunnels();
  await using _ = tunnels;
  await using _connection = dial(laptop);
  await until(() => laptop.challenges.length === 1, "the session was asked for");
  tunnels.setRules([laptop.rule(uid(10))]);
  await until(() => seen.proven.join() === uid(10), "the first rule is proven");
  tunnels.setRules([laptop.rule(uid(10)), laptop.rule(uid(11))]);
  await until(() => seen.proven.length === 2, "both rules are proven");
  tunnels.setRules([laptop.rule(uid(11))]);
  assert.deepEqual(seen.proven, [uid(11)]);
});

Deno.test("a daemon that doesn't know its new rule yet is asked again, and keeps what it has proven", async () => {
  let ready = false;
  const laptop = await Laptop.make({ refuses: (rules) => !ready && rules.includes(uid(11)) });
  const { tunnels, seen, dial } = makeTunnels();
  await using _ = tunnels;
  await using _connection = dial(laptop);
  tunnels.setRules([laptop.rule(uid(10))]);
  await until(() => seen.proven.length === 1, "the first rule is proven");
  tunnels.setRules([laptop.rule(uid(10)), laptop.rule(uid(11))]);
  await until(() => laptop.challenges.length >= 4, "it was asked more than once");
  assert.deepEqual(seen.proven, [uid(10)]);
  ready = true;
  await until(() => seen.proven.length === 2, "both rules are proven");
});

Deno.test("a forged proof closes the tunnel and proves nothing", async () => {
  const [laptop, mallory] = [await Laptop.make(), await Laptop.make()];
  const { tunnels, seen, logged, dial } = makeTunnels();
  await using _ = tunnels;
  tunnels.setRules([laptop.rule(uid(10))]);
  await dial(mallory).closed;
  await until(() => logged.length > 0, "it was logged");
  assert.match(logged.join(), /key proof is not valid/);
  assert.deepEqual(seen.proven, []);
});

Deno.test("a proof for another cluster closes the tunnel", async () => {
  const laptop = await Laptop.make({ cluster: { ...identity.cluster, uid: uid(201) } });
  const { tunnels, seen, dial } = makeTunnels();
  await using _ = tunnels;
  tunnels.setRules([laptop.rule(uid(10))]);
  await dial(laptop).closed;
  assert.deepEqual(seen.proven, []);
});

Deno.test("a laptop of this release is proven whatever CA it reaches the API server by", async () => {
  const laptop = await Laptop.make({ cluster: { ...identity.cluster, caHash: "d".repeat(64) } });
  const { tunnels, seen, dial } = makeTunnels();
  await using _ = tunnels;
  tunnels.setRules([laptop.rule(uid(10))]);
  dial(laptop);
  await until(() => seen.proven.includes(uid(10)), "it's proven");
});

Deno.test("a laptop of the first version is proven by the cluster's CA, and not by another", async () => {
  const first = { ...hello, version: 1, oldest: 1 };
  const laptop = await Laptop.make({ hello: first });
  const elsewhere = await Laptop.make({
    hello: first,
    session: uid(2),
    cluster: { ...identity.cluster, caHash: "d".repeat(64) },
  });
  const { tunnels, seen, dial } = makeTunnels();
  await using _ = tunnels;
  tunnels.setRules([laptop.rule(uid(10)), elsewhere.rule(uid(20))]);
  await dial(elsewhere).closed;
  dial(laptop);
  await until(() => seen.proven.length > 0, "it's proven");
  assert.deepEqual(seen.proven, [uid(10)]);
});

Deno.test("a session can't prove another session's rules by naming it before that is known", async () => {
  const laptop = await Laptop.make({ session: uid(1) });
  const mallory = await Laptop.make({ session: uid(2), claims: (n) => uid(n === 0 ? 1 : 2) });
  const { tunnels, seen, logged, dial } = makeTunnels();
  await using _ = tunnels;
  tunnels.setRules([mallory.rule(uid(20))]);
  const connection = dial(mallory);
  await until(() => mallory.challenges.length === 1, "mallory has claimed to be the other session");
  tunnels.setRules([mallory.rule(uid(20)), laptop.rule(uid(10))]);
  await connection.closed;
  await until(() => logged.length > 0, "it was logged");
  assert.match(logged.join(), /can't prove the rules of session/);
  assert.deepEqual(seen.proven, []);
});

Deno.test("a tunnel that proves nothing in time is closed", async () => {
  const laptop = await Laptop.make();
  const { tunnels, dial } = makeTunnels(50);
  await using _ = tunnels;
  await dial(laptop).closed;
});

Deno.test("a connection that isn't from a daemon of pmz is closed", async () => {
  const { tunnels } = makeTunnels(100);
  await using _ = tunnels;
  const [theirs, ours] = memoryPair();
  tunnels.add(ours);
  await theirs.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  const into = new Uint8Array(4096);
  while (await theirs.read(into).catch(() => null) !== null);
});
