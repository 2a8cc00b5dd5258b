import assert from "node:assert/strict";
import { SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import { closeDescriptor, localEndpoint, tcpListener } from "../../ffi/sockets/socket.ts";
import type { CapturedPorts, HelperAnswer, HelperRequest } from "../../wire/helper.ts";
import { helloOf } from "../../wire/hello.ts";
import { Failure } from "../failure.ts";
import { HelperClient } from "./helper_client.ts";
import { fakeHelper, HELLO } from "../testing/helper.ts";

/** To everything but a hello. */
const answering = (answer: HelperAnswer | "silent") => (request: HelperRequest) =>
  request.ask === "hello" ? undefined : answer;
const isFailure = (text: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === "helper" && text.test(error.message);

Deno.test("without a helper, the failure says how to get one", async () => {
  await assert.rejects(
    HelperClient.connect(`${await Deno.makeTempDir()}/helper.sock`),
    (error) => error instanceof Failure && error.code === "helper" && /pmz up/.test(error.hint ?? ""),
  );
});

Deno.test("the helper says hello, and what it has made for this user", async () => {
  await using helper = fakeHelper();
  using client = await HelperClient.connect(helper.path);
  assert.deepEqual(client.facts, {
    address: "127.0.0.1",
    device: "pmz-of-a-test",
    table: 7000,
    ranges: [],
    also: [],
  });
});

Deno.test("a helper of another version isn't used", async () => {
  const hello = helloOf("helper", { version: 9, oldest: 9, release: "9.9" });
  await using helper = fakeHelper(() => ({ ...HELLO, hello }) as HelperAnswer);
  await assert.rejects(HelperClient.connect(helper.path), /too old/);
});

Deno.test("a helper that has another daemon says so, also where it hangs up before it is asked", async () => {
  const folder = await Deno.makeTempDir();
  const listener = SeqPacketListener.listen(`${folder}/helper.sock`);
  const serving = (async () => {
    for (let peer; (peer = await listener.accept());) {
      peer.send({ ok: false, code: "refused", error: "a daemon is connected already" });
      await peer.receive();
      peer.close();
    }
  })();
  for (let i = 0; i < 20; i++) {
    await assert.rejects(
      HelperClient.connect(`${folder}/helper.sock`),
      isFailure(/a daemon is connected already/),
    );
  }
  listener.close();
  await serving;
  await Deno.remove(folder, { recursive: true });
});

Deno.test("descriptors are sent with their request", async () => {
  const fd = tcpListener({ address: "127.0.0.1" });
  const ports: number[] = [];
  await using helper = fakeHelper((request, fds) => {
    ports.push(...fds.map((one) => localEndpoint(one).port));
    return request.ask === "hello" ? HELLO : { ok: true };
  });
  using client = await HelperClient.connect(helper.path);
  await client.listeners(4, [fd]);
  assert.deepEqual(ports, [localEndpoint(fd).port]);
  closeDescriptor(fd);
});

Deno.test("many addresses, and Services with many ports, are captured in requests of a size that is taken", async () => {
  const captured = new Map<string, CapturedPorts>();
  await using helper = fakeHelper((request) => {
    if (request.ask === "hello") return HELLO;
    if (request.ask !== "capture") return { ok: true };
    for (const { address, ports } of request.add) captured.set(address, ports);
    return { ok: true, refused: request.add.slice(0, 1).map(({ address }) => ({ address, why: "no" })) };
  });
  using client = await HelperClient.connect(helper.path);
  const many = (count: number): CapturedPorts =>
    Array.from({ length: count }, (_, i) => ({ protocol: "tcp", port: 10_000 + i, served: true }));
  const wanted = new Map<string, CapturedPorts>();
  for (let i = 0; i < 1_200; i++) {
    wanted.set(`10.96.${i >> 8}.${i & 255}`, i % 100 === 0 ? many(3_000) : many(1));
  }
  wanted.set("10.97.0.1", many(10_000));
  const refused = await client.capture(wanted);
  assert.equal(captured.size, 1_200);
  assert.deepEqual(captured.get("10.96.0.100"), many(3_000));
  assert.equal(refused.get("10.97.0.1"), "it has 10000 ports, which is too many");
  assert.equal(refused.get("10.96.0.0"), "no");
  assert.equal(refused.size, helper.asked.filter(({ ask }) => ask === "capture").length + 1);
  assert.equal((await client.release([...wanted.keys()])).size, 0);
  const released = helper.asked.flatMap((request) => request.ask === "release" ? request.addresses : []);
  assert.deepEqual(released, [...wanted.keys()]);
});

Deno.test("a request that the helper refuses as a whole is a refusal of its addresses, and the others are done", async () => {
  let count = 0;
  await using helper = fakeHelper((request) => {
    if (request.ask === "hello") return HELLO;
    return count++ === 0 ? { ok: false, code: "internal", error: "no buffer space" } : { ok: true };
  });
  using client = await HelperClient.connect(helper.path);
  const addresses = Array.from({ length: 600 }, (_, i) => `10.96.${i >> 8}.${i & 255}`);
  const expected = new Map(
    addresses.slice(0, 500).map((address) => [address, "the root helper: no buffer space"]),
  );
  assert.deepEqual(await client.capture(new Map(addresses.map((address) => [address, "any"]))), expected);
  count = 0;
  assert.deepEqual(await client.release(addresses), expected);
  assert.equal(count, 2);
});

Deno.test("answers belong to requests in their order", async () => {
  let count = 0;
  await using helper = fakeHelper((request) =>
    request.ask === "hello" ? HELLO : { ok: true, refused: [{ address: String(count++), why: "" }] }
  );
  using client = await HelperClient.connect(helper.path);
  const all = await Promise.all([1, 2, 3].map(() => client.capture(new Map([["10.96.0.1", "any"]]))));
  assert.deepEqual(all.map((one) => [...one.keys()]), [["0"], ["1"], ["2"]]);
});

Deno.test("a helper that goes fails what waits and what comes, and tells it", async () => {
  await using helper = fakeHelper(answering("silent"));
  using client = await HelperClient.connect(helper.path);
  const waiting = client.release(["10.96.0.1"]);
  helper.die();
  await assert.rejects(waiting, isFailure(/has ended/));
  await client.gone;
  await assert.rejects(client.release(["10.96.0.1"]), isFailure(/has ended/));
});

Deno.test("a helper that hangs is given up", async () => {
  await using helper = fakeHelper(answering("silent"));
  using client = await HelperClient.connect(helper.path, 20);
  await assert.rejects(client.release(["10.96.0.1"]), isFailure(/doesn't answer \(release\)/));
  await client.gone;
});

Deno.test("closing the client ends what waits, and twice is fine", async () => {
  await using helper = fakeHelper(answering("silent"));
  const client = await HelperClient.connect(helper.path);
  const waiting = client.release(["10.96.0.1"]);
  client[Symbol.dispose]();
  client[Symbol.dispose]();
  await assert.rejects(waiting, isFailure(/has ended/));
  await client.gone;
});

Deno.test("the end of the helper's log is what it says; an older helper has none to tell", async () => {
  await using helper = fakeHelper(answering({ ok: true, log: "{}\n" }));
  using client = await HelperClient.connect(helper.path);
  assert.equal(await client.log(), "{}\n");
  await using older = fakeHelper(answering({ ok: false, code: "bad-request", error: "not a valid request" }));
  using other = await HelperClient.connect(older.path);
  assert.equal(await other.log(), undefined);
});
