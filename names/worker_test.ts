import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import { fakeUpstream, queryFor } from "./testing/fake_upstream.ts";
import { parseMessage, rcodes, types } from "../dns/message.ts";
import { Channel } from "../threads/channel.ts";
import type { NamesCalls, NamesReports } from "./protocol.ts";
import { addressIn } from "../dns/resource.ts";
import { MessageWriter, readMessages } from "../dns/tcp_frames.ts";
import { startNamesWorker } from "./worker.ts";
import { parseEndpoint } from "../net/address.ts";

const uid = Deno.uid() ?? 0;
const zone = {
  cluster: "one",
  context: "kind",
  clusterDomain: "cluster.local",
  namespace: "default",
  services: [{ namespace: "default", name: "echo", addresses: ["10.96.0.10"], ports: [] }],
};

/** A names worker in this thread, and this test's end of it. */
function started(port?: number) {
  const { port1, port2 } = new MessageChannel();
  const beats: string[] = [];
  const openBeat = (fd: number) => ({
    beat: (writer: number) => void beats.push(`beat ${fd} ${writer}`),
    [Symbol.dispose]: () => void beats.push(`closed ${fd}`),
  });
  const worker = startNamesWorker(port2, { openBeat, ...(port && { port }) });
  const channel = new Channel<NamesReports, NamesCalls>(port1, { log() {} });
  return {
    beats,
    call: channel.call.bind(channel) as typeof channel.call,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      port1.close();
      port2.close();
    },
  };
}

async function ask(stub: string | undefined, name: string): Promise<string | number> {
  const end = parseEndpoint(stub ?? "");
  assert.ok(end);
  using conn = await Deno.connect({ hostname: end.address.text, port: end.port });
  await new MessageWriter(conn).send(queryFor(name, types.A));
  for await (const bytes of readMessages(conn)) {
    const { answers: [first], rcode } = parseMessage(bytes);
    return first ? addressIn(first)?.text ?? "?" : rcode;
  }
  return "closed";
}

const wanted = { uid, accounts: [{ first: uid, last: uid }] } as const;

Deno.test("the worker opens a stub for each nameserver, says its descriptors, and answers", async () => {
  await using upstream = await fakeUpstream();
  await using worker = started(upstream.nameserver.port);
  await worker.call("zone", zone);
  const nameservers = ["127.0.0.1", "127.0.0.53", "nonsense"];
  const { stubs: [first, second], failed } = await worker.call("stubs", { ...wanted, nameservers });
  assert.deepEqual(failed.map(({ nameserver }) => nameserver), ["nonsense"]);
  assert.equal(await ask(first?.stub, "echo.default.svc"), "10.96.0.10");
  assert.equal(await ask(second?.stub, "echo"), "10.96.0.10");
  assert.equal(await ask(first?.stub, "example.com"), "203.0.113.7");
  const numbers = [first, second].flatMap((one) => [one?.udpFd, one?.tcpFd]);
  assert.equal(new Set(numbers).size, 4);
  for (const fd of numbers) assert.match(Deno.readLinkSync(`/proc/self/fd/${fd}`), /^socket:/);
  assert.equal((await worker.call("stats", null)).answered, 2);
});

Deno.test("when the nameservers change, those that stay keep their sockets", async () => {
  await using worker = started();
  const before = await worker.call("stubs", { ...wanted, nameservers: ["192.0.2.1", "192.0.2.2"] });
  const after = await worker.call("stubs", { ...wanted, nameservers: ["192.0.2.2", "192.0.2.3"] });
  assert.deepEqual(after.stubs[0], before.stubs[1]);
  assert.deepEqual(after.stubs.map(({ nameserver }) => nameserver), ["192.0.2.2", "192.0.2.3"]);
  const gone = parseEndpoint(before.stubs[0]?.stub ?? "");
  const refused = Deno.connect({ hostname: gone?.address.text, port: gone?.port ?? 0 });
  await assert.rejects(refused, Deno.errors.ConnectionRefused);
});

Deno.test("a cluster's names come whole, change and go", async () => {
  await using upstream = await fakeUpstream();
  await using worker = started(upstream.nameserver.port);
  const { stubs: [stub] } = await worker.call("stubs", { ...wanted, nameservers: ["127.0.0.1"] });
  const names = async () => [
    await ask(stub?.stub, "echo.default.svc"),
    await ask(stub?.stub, "shop.example"),
  ];
  const elsewhere = "203.0.113.7"; // the nameserver's own answer to everything
  assert.deepEqual(await names(), [elsewhere, elsewhere]);
  await worker.call("zone", zone);
  await worker.call("custom", [{ domain: "shop.example", namespace: "default", service: "echo" }]);
  await worker.call("surroundings", { hostname: "laptop", searchDomains: [] });
  assert.deepEqual(await names(), ["10.96.0.10", "10.96.0.10"]);
  const set = [{ namespace: "default", name: "echo", addresses: ["10.96.0.11"], ports: [] }];
  await worker.call("change", { cluster: "one", set, removed: [] });
  assert.deepEqual(await names(), ["10.96.0.11", "10.96.0.11"]);
  await worker.call("change", {
    cluster: "one",
    set: [],
    removed: [{ namespace: "default", name: "echo" }],
  });
  assert.deepEqual(await names(), [rcodes.nxDomain, 0]);
  await worker.call("gone", "one");
  assert.deepEqual(await names(), [elsewhere, elsewhere]);
});

Deno.test("the heartbeat comes at once and then twice a second, in one map at a time", async () => {
  await using worker = started();
  await worker.call("beat", 7);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assert.deepEqual(worker.beats, ["beat 7 0", "beat 7 0", "beat 7 0"]);
  await worker.call("beat", 8);
  assert.deepEqual(worker.beats.slice(3), ["closed 7", "beat 8 0"]);
});

Deno.test("an unhandled rejection is a line in the daemon's log, and the next name is answered", async () => {
  const main = await Deno.makeTempFile({ suffix: ".ts" });
  const code = `import "${new URL(
    "./main.ts",
    import.meta.url,
  )}"; Promise.reject(new Error("nobody waits"));`;
  await Deno.writeTextFile(main, code);
  const worker = new Worker(new URL(`file://${main}`), { type: "module" });
  const lines: string[] = [];
  const channel = new Channel<NamesReports, NamesCalls>(worker, {
    log: (message) => void lines.push(message),
  });
  try {
    await channel.call("zone", zone);
    await until("it's in the log", () => lines.length > 0);
    assert.match(lines[0] ?? "", /unhandled rejection: Error: nobody waits/);
    const { stubs: [stub] } = await channel.call("stubs", { ...wanted, nameservers: ["192.0.2.1"] });
    assert.equal(await ask(stub?.stub, "echo.default.svc"), "10.96.0.10");
  } finally {
    worker.terminate();
    await Deno.remove(main);
  }
});
