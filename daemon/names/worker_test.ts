import assert from "node:assert/strict";
import { fakeUpstream, queryFor } from "./fake_upstream.ts";
import { parseMessage, types } from "./message.ts";
import type { FromNamesWorker, ToNamesWorker } from "./protocol.ts";
import { addressIn } from "./resource.ts";
import { MessageWriter, readMessages } from "./tcp_frames.ts";
import { startNamesWorker, type WorkerPort } from "./worker.ts";
import { parseEndpoint } from "../../wire/address.ts";

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
  const channel = new MessageChannel();
  const beats: string[] = [];
  const openHeart = (fd: number) => ({
    beat: () => void beats.push(`beat ${fd}`),
    [Symbol.dispose]: () => void beats.push(`closed ${fd}`),
  });
  startNamesWorker(channel.port2 as WorkerPort, { openHeart, ...(port && { port }) });
  const inbox: FromNamesWorker[] = [];
  let arrived = Promise.withResolvers<void>();
  channel.port1.onmessage = ({ data }) => {
    inbox.push(data);
    arrived.resolve();
  };
  return {
    beats,
    say: (message: ToNamesWorker) => channel.port1.postMessage(message),
    async next<Kind extends FromNamesWorker["kind"]>(kind: Kind) {
      while (inbox.length === 0) {
        await arrived.promise;
        arrived = Promise.withResolvers();
      }
      const message = inbox.shift();
      assert.equal(message?.kind, kind, JSON.stringify(message));
      return message as Extract<FromNamesWorker, { kind: Kind }>;
    },
    async [Symbol.asyncDispose]() {
      channel.port1.postMessage({ kind: "stop" });
      await this.next("stopped");
      channel.port1.close();
      channel.port2.close();
    },
  };
}

async function ask(standIn: string | undefined, name: string): Promise<string | number> {
  const end = parseEndpoint(standIn ?? "");
  assert.ok(end);
  using conn = await Deno.connect({ hostname: end.address.text, port: end.port });
  await new MessageWriter(conn).send(queryFor(name, types.A));
  for await (const bytes of readMessages(conn)) {
    const { answers: [first], rcode } = parseMessage(bytes);
    return first ? addressIn(first)?.text ?? "?" : rcode;
  }
  return "closed";
}

const start = { kind: "start", uid, accounts: [{ first: uid, last: uid }] } as const;

Deno.test("the worker opens a stand-in for each nameserver, says its descriptors, and answers", async () => {
  await using upstream = await fakeUpstream();
  await using worker = started(upstream.nameserver.port);
  worker.say({ kind: "zones", zones: [zone] });
  worker.say({ ...start, nameservers: ["127.0.0.1", "127.0.0.53", "nonsense"] });
  const { standIns: [first, second], failed } = await worker.next("standIns");
  assert.deepEqual(failed.map(({ nameserver }) => nameserver), ["nonsense"]);
  assert.equal(await ask(first?.standIn, "echo.default.svc"), "10.96.0.10");
  assert.equal(await ask(second?.standIn, "echo"), "10.96.0.10");
  assert.equal(await ask(first?.standIn, "example.com"), "203.0.113.7");
  const numbers = [first, second].flatMap((one) => [one?.udpFd, one?.tcpFd]);
  assert.equal(new Set(numbers).size, 4);
  for (const fd of numbers) assert.match(Deno.readLinkSync(`/proc/self/fd/${fd}`), /^socket:/);
  worker.say({ kind: "stats" });
  assert.deepEqual((await worker.next("stats")).stats.answered, 2);
});

Deno.test("when the nameservers change, those that stay keep their sockets", async () => {
  await using worker = started();
  worker.say({ ...start, nameservers: ["192.0.2.1", "192.0.2.2"] });
  const before = await worker.next("standIns");
  worker.say({ ...start, nameservers: ["192.0.2.2", "192.0.2.3"] });
  const after = await worker.next("standIns");
  assert.deepEqual(after.standIns[0], before.standIns[1]);
  assert.deepEqual(after.standIns.map(({ nameserver }) => nameserver), ["192.0.2.2", "192.0.2.3"]);
  const gone = parseEndpoint(before.standIns[0]?.standIn ?? "");
  const refused = Deno.connect({ hostname: gone?.address.text, port: gone?.port ?? 0 });
  await assert.rejects(refused, Deno.errors.ConnectionRefused);
});

Deno.test("zones come whole, change and go", async () => {
  await using worker = started();
  worker.say({ ...start, nameservers: [], link: "127.0.0.1" });
  const { link } = await worker.next("standIns");
  const names = async () => {
    // Requests are done in their order.
    worker.say({ kind: "stats" });
    await worker.next("stats");
    return [await ask(link, "echo.default.svc"), await ask(link, "shop.example")];
  };
  assert.deepEqual(await names(), [3, 3]);
  worker.say({ kind: "zone", zone });
  worker.say({
    kind: "custom",
    domains: [{ domain: "shop.example", namespace: "default", service: "echo" }],
  });
  worker.say({ kind: "surroundings", surroundings: { hostname: "laptop", searchDomains: [] } });
  assert.deepEqual(await names(), ["10.96.0.10", "10.96.0.10"]);
  const set = [{ namespace: "default", name: "echo", addresses: ["10.96.0.11"], ports: [] }];
  worker.say({ kind: "change", change: { cluster: "one", set, removed: [] } });
  assert.deepEqual(await names(), ["10.96.0.11", "10.96.0.11"]);
  worker.say({ kind: "zones", zones: [] });
  assert.deepEqual(await names(), [3, 3]);
});

Deno.test("the heart beats at once and then twice a second, in one map at a time", async () => {
  await using worker = started();
  worker.say({ kind: "beat", fd: 7 });
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assert.deepEqual(worker.beats, ["beat 7", "beat 7", "beat 7"]);
  worker.say({ kind: "beat", fd: 8 });
  worker.say({ kind: "stats" });
  await worker.next("stats");
  assert.deepEqual(worker.beats.slice(3), ["closed 7", "beat 8"]);
});
