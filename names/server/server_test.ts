import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { pollUntil } from "../../async/poll_until.ts";
import { SocketOwners } from "../../ffi/proc/socket_owner.ts";
import { senderOf } from "./sender.ts";
import { answering, fakeUpstream, queryFor, replied } from "../testing/fake_upstream.ts";
import { networkErrorIn } from "./extended_error.ts";
import { UdpForwarder } from "./forward.ts";
import { parseMessage, rcodes, types } from "../../dns/message.ts";
import { addressIn, addressResource, aliasResource } from "../../dns/resource.ts";
import { NameServer, type NameServerOptions } from "./server.ts";
import { stubAddress } from "./stub_listener.ts";
import { MessageWriter, readMessages } from "../../dns/tcp_frames.ts";
import { Zone } from "../zone/zone.ts";
import { parseAddress } from "../../net/address.ts";

const uid = Deno.uid() ?? 0;
const pods = Array.from({ length: 300 }, (_, i) => `10.244.${i >> 8}.${i & 255}`);

function zone(): Zone {
  const zone = new Zone();
  const service = (name: string, addresses: string[], externalName?: string) => ({
    namespace: "default",
    name,
    addresses,
    ports: [{ name: "http", port: 80, protocol: "TCP" }],
    ...(externalName && { externalName }),
  });
  zone.set({
    cluster: "one",
    context: "kind",
    clusterDomain: "cluster.local",
    namespace: "default",
    services: [
      service("echo", ["10.96.0.10"]),
      service("many", pods),
      service("out", [], "api.example.com"),
      service("evil", [], "localhost.attacker.example"),
    ],
  });
  return zone;
}

function serve(more: Partial<NameServerOptions> = {}): Promise<NameServer> {
  const owners = new SocketOwners();
  return NameServer.open({
    zone: zone(),
    address: stubAddress(4, uid, 0),
    senderOf: (arrival) => senderOf(owners, arrival, [{ first: uid, last: uid }]),
    nameserver: { address: "255.255.255.255", port: 53 }, // can't be sent to
    forbidden: ({ text }) => text.startsWith("127."),
    ...more,
  });
}

function dig(server: NameServer, ...args: string[]): Promise<string> {
  return digAs(undefined, server, ...args);
}

async function digAs(account: number | undefined, server: NameServer, ...args: string[]): Promise<string> {
  const { address, port } = server.end;
  const command = new Deno.Command("dig", {
    args: [`@${address}`, "-p", `${port}`, "+tries=1", "+time=3", ...args],
    ...(account !== undefined && { uid: account, gid: account, cwd: "/" }),
  });
  return new TextDecoder().decode((await command.output()).stdout);
}

/** Sends datagrams from one socket and gives what comes back until `count` answers are there or `ms` have gone by. */
async function overUdp(
  server: NameServer,
  queries: Uint8Array[],
  count = queries.length,
  ms = 2_000,
): Promise<Uint8Array[]> {
  const socket = dgram.createSocket("udp4");
  const back: Uint8Array[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  socket.on("message", (bytes) => {
    back.push(new Uint8Array(bytes));
    if (back.length === count) resolve();
  });
  for (const query of queries) socket.send(query, server.end.port, server.end.address);
  await promise;
  clearTimeout(timer);
  socket.close();
  await once(socket, "close");
  return back;
}

async function overTcp(
  server: NameServer,
  queries: Uint8Array[],
  count = queries.length,
): Promise<Uint8Array[]> {
  using conn = await Deno.connect({ hostname: server.end.address, port: server.end.port });
  const writer = new MessageWriter(conn);
  for (const query of queries) await writer.send(query);
  await conn.closeWrite();
  const back: Uint8Array[] = [];
  for await (const message of readMessages(conn)) if (back.push(message) === count) break;
  return back;
}

Deno.test("dig gets a Service's address over UDP and TCP, with and without EDNS", async () => {
  await using server = await serve();
  for (const args of [["+noedns"], ["+edns=0"], ["+tcp"], ["+dnssec"]]) {
    const said = await dig(server, "echo.default.svc", ...args);
    assert.match(said, /status: NOERROR/);
    assert.match(said, /echo\.default\.svc\.\s+1\s+IN\s+A\s+10\.96\.0\.10/);
    assert.doesNotMatch(said, /WARNING|malformed|extra bytes/i);
  }
  assert.match(await dig(server, "-x", "10.96.0.10", "+short"), /^echo\.default\.svc\.cluster\.local\.$/m);
  assert.match(
    await dig(server, "SRV", "_http._tcp.echo.default.svc", "+short"),
    /^0 100 80 echo\.default\.svc/m,
  );
  assert.match(
    await dig(server, "AAAA", "echo.default.svc"),
    /status: NOERROR[\s\S]*ANSWER: 0, AUTHORITY: 1/,
  );
  assert.match(await dig(server, "echo.default.svc", "+edns=1", "+noednsneg"), /status: BADVERS/);
});

Deno.test("an answer too long for UDP is cut, and dig gets all of it over TCP", async () => {
  await using server = await serve();
  const [cut] = await overUdp(server, [queryFor("many.default.svc", types.A)]);
  assert.ok(cut && cut.length <= 512 && parseMessage(cut).truncated && parseMessage(cut).answers.length > 20);
  const said = await dig(server, "many.default.svc", "+short");
  assert.deepEqual(said.trim().split("\n").filter((line) => !line.startsWith(";")).sort(), [...pods].sort());
});

Deno.test("a query for another name is forwarded unchanged, and its answer comes back unchanged", async () => {
  await using upstream = await fakeUpstream();
  await using server = await serve({ nameserver: upstream.nameserver });
  const options = Uint8Array.from([0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
  const edns = { udpSize: 1400, version: 0, dnssecOk: true, options };
  const query = queryFor("ExAmPle.com", types.A, { edns, checkingDisabled: true, authenticData: true });
  const [byUdp] = await overUdp(server, [query]);
  assert.deepEqual(upstream.asked, [{ over: "udp", bytes: query }]);
  assert.deepEqual(byUdp, upstream.given[0]);
  const [byTcp] = await overTcp(server, [query]);
  assert.deepEqual(upstream.asked[1], { over: "tcp", bytes: query });
  assert.deepEqual(byTcp, upstream.given[1]);
  assert.deepEqual([server.stats.forwarded, server.stats.answered], [2, 0]);
});

Deno.test("a truncated answer of the nameserver reaches the asker truncated, so it asks again over TCP", async () => {
  const small = answering("203.0.113.7");
  await using upstream = await fakeUpstream((query, over, bytes) =>
    over === "udp" ? replied(query, [], { truncated: true }) : small(query, over, bytes)
  );
  await using server = await serve({ nameserver: upstream.nameserver });
  assert.equal((await dig(server, "example.com", "+short")).trim(), "203.0.113.7");
  assert.deepEqual(upstream.asked.map(({ over }) => over), ["udp", "tcp"]);
});

Deno.test("a query that can't be parsed is forwarded too, and what isn't a query is dropped", async () => {
  const broken = Uint8Array.from([0xbe, 0xef, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1]);
  await using socket = await rawUpstream((bytes) =>
    Uint8Array.from([...bytes.subarray(0, 2), 0x81, 0x81, ...bytes.subarray(4)])
  );
  await using server = await serve({ nameserver: socket.nameserver });
  const [back] = await overUdp(server, [broken]);
  assert.deepEqual(back?.subarray(0, 4), Uint8Array.from([0xbe, 0xef, 0x81, 0x81]));
  const response = queryFor("echo.default.svc", types.A, { response: true });
  assert.deepEqual(await overUdp(server, [response, Uint8Array.of(), Uint8Array.of(1)], 1, 150), []);
});

Deno.test("an answer that comes from elsewhere, or answers another question, isn't taken", async () => {
  const spoofer = dgram.createSocket("udp4");
  await using upstream = await rawUpstream((bytes, sender) => {
    spoofer.send(
      replied(parseMessage(bytes), [addressResource("example.com", ip("6.6.6.6"))]),
      sender.port,
      sender.address,
    );
    return [
      replied({ ...parseMessage(bytes), id: 1 }, [addressResource("example.com", ip("6.6.6.6"))]),
      queryFor("example.net", types.A, { response: true }),
      queryFor("example.com", types.A),
      Uint8Array.of(1, 2, 3),
      replied(parseMessage(bytes), [addressResource("example.com", ip("203.0.113.7"))]),
    ];
  });
  await using server = await serve({ nameserver: upstream.nameserver });
  const [back] = await overUdp(server, [queryFor("example.com", types.A)]);
  assert.deepEqual(parseMessage(back ?? new Uint8Array()).answers.map((one) => addressIn(one)?.text), [
    "203.0.113.7",
  ]);
  spoofer.close();
  await once(spoofer, "close");
});

Deno.test("a silent nameserver stays silent, and pmz's own names are answered meanwhile", async () => {
  await using upstream = await fakeUpstream(() => undefined);
  await using server = await serve({
    nameserver: upstream.nameserver,
    forwarder: new UdpForwarder({ answerMs: 200, mostInFlight: 4 }),
  });
  const dead = Array.from({ length: 20 }, (_, i) => queryFor(`n${i}.example.com`, types.A));
  const back = await overUdp(server, [...dead, queryFor("echo.default.svc", types.A)], 2, 400);
  assert.equal(back.length, 1);
  assert.equal(server.stats.unanswered, 20);
});

Deno.test("a nameserver that can't be sent to is said to fail at once", async () => {
  // Nothing may be sent to a broadcast address by a socket that wasn't asked to.
  await using server = await serve({ nameserver: { address: "255.255.255.255", port: 53 } });
  const [back] = await overUdp(server, [queryFor("example.com", types.A)], 1, 1_000);
  assert.equal(back && parseMessage(back).rcode, 2);
});

Deno.test("a nameserver that refuses is said to fail at once, not after its time", async () => {
  await using server = await serve({ nameserver: await closedPort() });
  const start = performance.now();
  const [back] = await overUdp(server, [queryFor("example.com", types.A)], 1, 1_000);
  assert.equal(back && parseMessage(back).rcode, rcodes.servFail);
  assert.ok(performance.now() - start < 500);
});

Deno.test("why a nameserver can't be reached is in the answer, where the query takes options", async () => {
  await using server = await serve({ nameserver: await closedPort() });
  const edns = { udpSize: 1232, version: 0, dnssecOk: false, options: new Uint8Array() };
  const [back] = await overUdp(server, [queryFor("example.com", types.A, { edns })], 1, 1_000);
  const options = back && parseMessage(back).edns?.options;
  assert.equal(options && networkErrorIn(options), "nothing listens at 127.0.0.1");
});

Deno.test("names of a cluster that don't exist are never asked of a nameserver, whatever completes them", async () => {
  await using upstream = await fakeUpstream(answering("203.0.113.7")); // has a wildcard for everything
  const names = zone();
  names.setSurroundings({ hostname: "laptop", searchDomains: ["corp.example"] });
  await using server = await serve({ nameserver: upstream.nameserver, zone: names });
  for (
    const name of ["gone.default.svc", "gone.default.svc.cluster.local", "echo.default.svc.corp.example"]
  ) {
    const [byUdp] = await overUdp(server, [queryFor(name, types.A)]);
    const [byTcp] = await overTcp(server, [queryFor(name, types.A)]);
    for (const back of [byUdp, byTcp]) assert.equal(back && parseMessage(back).rcode, rcodes.nxDomain, name);
  }
  assert.deepEqual(upstream.asked, []);
});

Deno.test("a name on its way to one of pmz's waits for no silent nameserver", async () => {
  await using upstream = await fakeUpstream(() => undefined);
  const names = zone();
  names.setSurroundings({ hostname: "laptop", searchDomains: ["corp.example"] });
  await using server = await serve({ nameserver: upstream.nameserver, zone: names });
  const query = queryFor("echo.corp.example", types.A);
  for (const [back] of [await overUdp(server, [query], 1, 1_500), await overTcp(server, [query])]) {
    assert.equal(back && parseMessage(back).rcode, rcodes.nxDomain);
  }
});

Deno.test("a name on its way to one of pmz's whose answer is long comes whole over TCP", async () => {
  const small = answering("203.0.113.7");
  await using upstream = await fakeUpstream((query, over, bytes) =>
    over === "udp" ? replied(query, [], { truncated: true }) : small(query, over, bytes)
  );
  const names = zone();
  names.setSurroundings({ hostname: "laptop", searchDomains: ["corp.example"] });
  await using server = await serve({ nameserver: upstream.nameserver, zone: names });
  assert.equal((await dig(server, "echo.corp.example", "+short")).trim(), "203.0.113.7");
});

Deno.test("captured addresses are taken out of answers over UDP and TCP, and what is no answer fails", async () => {
  await using upstream = await fakeUpstream();
  const kept = Uint8Array.from(replied(parseMessage(queryFor("example.com", types.A)), []));
  const query = queryFor("example.com", types.A);
  await using server = await serve({ nameserver: upstream.nameserver, filter: () => kept });
  assert.deepEqual(await overUdp(server, [query]), [kept]);
  assert.deepEqual(await overTcp(server, [query]), [kept]);
  await using strict = await serve({
    nameserver: upstream.nameserver,
    address: stubAddress(4, uid, 1),
    filter: () => undefined,
  });
  const [failed] = await overUdp(strict, [query]);
  assert.equal(failed && parseMessage(failed).rcode, rcodes.servFail);
  assert.deepEqual(await overTcp(strict, [query]).catch(() => []), []);
});

Deno.test("queries on one TCP connection are answered as their answers come, a slow nameserver holds up none of pmz's", async () => {
  await using upstream = await fakeUpstream(() => undefined);
  await using server = await serve({ nameserver: upstream.nameserver });
  const queries = ["example.com", "echo.default.svc", "example.net", "many.default.svc"].map((name, id) =>
    queryFor(name, types.A, { id })
  );
  const back = await overTcp(server, queries, 2);
  assert.deepEqual(back.map((bytes) => parseMessage(bytes).id).sort(), [1, 3]);
  for (let i = 0; i < 100 && upstream.asked.length < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(upstream.asked.map(({ over, bytes }) => `${over} ${bytes[1]}`), ["tcp 0", "tcp 2"]);
});

Deno.test("a nameserver without TCP ends the client's connection, as it would have itself", async () => {
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  await using server = await serve({ nameserver: { address: "127.0.0.1", port } });
  assert.deepEqual(await overTcp(server, [queryFor("example.com", types.A)]).catch(() => []), []);
});

Deno.test("what runs with root's rights is answered by its nameserver, whatever it asks for: never by the daemon", async () => {
  await using upstream = await fakeUpstream();
  await using server = await serve({
    nameserver: upstream.nameserver,
    senderOf: () => Promise.resolve("root"),
    filter: () => undefined,
  });
  const asked = () => upstream.asked.length;
  for (const ask of [overUdp, overTcp]) {
    const before = asked();
    const [answer] = await ask(server, [queryFor("echo.default.svc", types.A)], 1, 1_000);
    assert.equal(asked(), before + 1);
    assert.ok(answer, "its nameserver's answer comes back unfiltered");
  }
  assert.deepEqual([server.stats.answered, server.stats.forwarded], [0, 2]);
});

Deno.test("another account's queries get nothing, by UDP or TCP", async () => {
  await using server = await serve({ senderOf: () => Promise.resolve("other") });
  assert.deepEqual(await overUdp(server, [queryFor("echo.default.svc", types.A)], 1, 150), []);
  assert.deepEqual(await overTcp(server, [queryFor("echo.default.svc", types.A)]).catch(() => []), []);
  assert.equal(server.stats.refused, 2);
});

Deno.test({
  name: "of two users of the machine, only the one whose stub it is gets answers (needs root)",
  ignore: uid !== 0,
  async fn() {
    const owners = new SocketOwners();
    const [mine, other] = [65_534, 65_533];
    await using server = await serve({
      senderOf: (arrival) => senderOf(owners, arrival, [{ first: mine, last: mine }]),
    });
    for (const protocol of ["+notcp", "+tcp"]) {
      assert.equal((await digAs(mine, server, "echo.default.svc", "+short", protocol)).trim(), "10.96.0.10");
      for (const account of [other, 0]) {
        assert.doesNotMatch(
          await digAs(account, server, "echo.default.svc", "+short", "+time=1", protocol),
          /10\.96/,
        );
      }
    }
    assert.equal(server.stats.answered, 2);
  },
});

Deno.test("whatever bytes come by UDP or TCP, the next question is answered", async () => {
  await using upstream = await rawUpstream((bytes) => bytes);
  await using server = await serve({
    nameserver: upstream.nameserver,
    forwarder: new UdpForwarder({ answerMs: 20 }),
  });
  const noise = Array.from({ length: 200 }, (_, i) => crypto.getRandomValues(new Uint8Array(i)));
  const near = noise.map((bytes) =>
    Uint8Array.from([...queryFor("echo.default.svc", types.A).subarray(0, 20), ...bytes])
  );
  await overUdp(server, [...noise, ...near], Infinity, 200);
  for (const bytes of [...noise.slice(100, 110), ...near.slice(100, 110)]) {
    using conn = await Deno.connect({ hostname: server.end.address, port: server.end.port });
    await conn.write(bytes);
    await new MessageWriter(conn).send(bytes).catch(() => {});
  }
  assert.equal((await overUdp(server, [queryFor("echo.default.svc", types.A)])).length, 1);
  assert.equal((await overTcp(server, [queryFor("echo.default.svc", types.A)])).length, 1);
});

Deno.test("500 questions at once are all answered, pmz's and the nameserver's", async () => {
  await using upstream = await fakeUpstream();
  await using server = await serve({ nameserver: upstream.nameserver });
  const names = (i: number) => i % 2 ? "echo.default.svc" : `n${i}.example.com`;
  const queries = Array.from({ length: 500 }, (_, id) => queryFor(names(id), types.A, { id }));
  const back = await Promise.all(
    [0, 1, 2, 3, 4].map((i) => overUdp(server, queries.slice(100 * i, 100 * i + 100))),
  );
  assert.deepEqual(
    back.flat().map((bytes) => parseMessage(bytes).id).sort((a, b) => a - b),
    queries.map((_, id) => id),
  );
});

Deno.test("an ExternalName comes with what the laptop's nameserver knows of it, without forbidden addresses", async () => {
  await using upstream = await fakeUpstream((query) => {
    const name = query.questions[0]?.name ?? "";
    if (name === "api.example.com") {
      return replied(query, [
        aliasResource(name, "edge.example.net"),
        addressResource("edge.example.net", ip("203.0.113.9")),
      ]);
    }
    return replied(query, [addressResource(name, ip("127.0.0.1")), addressResource(name, ip("203.0.113.1"))]);
  });
  await using server = await serve({ nameserver: upstream.nameserver });
  assert.deepEqual((await dig(server, "out.default.svc", "+short")).trim().split("\n"), [
    "api.example.com.",
    "edge.example.net.",
    "203.0.113.9",
  ]);
  assert.deepEqual((await dig(server, "+tcp", "evil.default.svc", "+short")).trim().split("\n"), [
    "localhost.attacker.example.",
    "203.0.113.1",
  ]);
});

Deno.test("closing with queries under way leaves nothing behind", async () => {
  await using upstream = await fakeUpstream(() => undefined);
  const server = await serve({ nameserver: upstream.nameserver });
  using conn = await Deno.connect({ hostname: server.end.address, port: server.end.port });
  await new MessageWriter(conn).send(queryFor("example.com", types.A));
  // Open until the query has arrived: a socket that is gone has no owner, and isn't answered.
  const socket = dgram.createSocket("udp4");
  socket.send(queryFor("example.com", types.A), server.end.port, server.end.address);
  await pollUntil(() => upstream.asked.length === 2, { timeoutMs: 10_000 });
  socket.close();
  await once(socket, "close");
  await server[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  assert.deepEqual(upstream.asked.map(({ over }) => over).sort(), ["tcp", "udp"]);
});

Deno.test("each user and each nameserver has an address of its own", () => {
  const addresses = [0, 1000, 1001, 65536 + 1000].flatMap((id) =>
    [0, 1, 2].map((i) => stubAddress(4, id, i))
  );
  assert.equal(new Set(addresses).size, addresses.length);
  assert.ok(addresses.every((text) => /^127\.(9[6-9]|1[01][0-9]|12[0-7])\./.test(text)));
});

function ip(text: string) {
  const address = parseAddress(text);
  assert.ok(address);
  return address;
}

/** A port of loopback that nothing listens on. */
async function closedPort(): Promise<{ address: string; port: number }> {
  await using upstream = await fakeUpstream();
  return upstream.nameserver;
}

/** A nameserver that answers raw bytes, over UDP. */
async function rawUpstream(
  answer: (bytes: Uint8Array, sender: dgram.RemoteInfo) => Uint8Array | Uint8Array[],
): Promise<AsyncDisposable & { nameserver: { address: string; port: number } }> {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (bytes, sender) => {
    for (const back of [answer(new Uint8Array(bytes), sender)].flat()) {
      socket.send(back, sender.port, sender.address);
    }
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    nameserver: { address: "127.0.0.1", port: socket.address().port },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}
