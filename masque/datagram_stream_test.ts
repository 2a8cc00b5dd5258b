import assert from "node:assert/strict";
import fc from "fast-check";
import { until } from "../async/testing/until.ts";
import { type Stream, StreamReset } from "../hbone/mod.ts";
import { connected, pattern, readAll, writeAll } from "../hbone/testing/pair.ts";
import { DatagramStream } from "./datagram_stream.ts";
import { QUEUE_BYTES } from "./datagram_queue.ts";
import { capsule, datagram } from "./testing/capsules.ts";

const REQUEST = [
  [":method", "CONNECT"],
  [":protocol", "connect-udp"],
  [":scheme", "https"],
  [":path", "/.well-known/masque/udp/10.96.0.10/53/"],
  [":authority", "10.96.0.10:53"],
  ["capsule-protocol", "?1"],
] as const;
const OK = [[":status", "200"], ["capsule-protocol", "?1"]] as const;

/** A flow between two ends, and what each has received. @param options of both ends' connections */
async function flow(options: Parameters<typeof connected>[1] = {}) {
  const accepted = Promise.withResolvers<Stream>();
  const ends = connected(accepted.resolve, options);
  await ends.client.ready; // the server takes extended CONNECT
  const stream = ends.client.open(REQUEST);
  const received = { near: [] as Uint8Array[], far: [] as Uint8Array[] };
  const near = new DatagramStream(stream, (payload) => received.near.push(payload.slice()));
  const peer = await accepted.promise;
  return {
    ends,
    near,
    /** The server's stream, not answered. */
    peer,
    received,
    answer() {
      peer.respond(OK);
      return new DatagramStream(peer, (payload) => received.far.push(payload.slice()));
    },
    [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose](),
  };
}

Deno.test("datagrams of any size come through both ways, in order and whole", async () => {
  const payloads = fc.array(
    fc.oneof(fc.nat(1500), fc.constantFrom(0, 62, 63, 64, 65_507)).map((length) =>
      pattern(length, length + 1)
    ),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(payloads, payloads, fc.boolean(), async (out, back, smallFrames) => {
      const settings = smallFrames ? { settings: { maxFrameSize: 16_384 } } : {};
      await using one = await flow({ client: settings, server: settings });
      // A burst that is larger than the queue loses some; here a turn passes where it fills.
      const sendAll = async (stream: DatagramStream, payloads: readonly Uint8Array[]) => {
        for (const payload of payloads) await until("there is room", () => stream.send(payload));
      };
      const sending = sendAll(one.near, out); // before the answer
      const far = one.answer();
      await Promise.all([sending, sendAll(far, back)]);
      await until(
        "all have come",
        () => one.received.far.length === out.length && one.received.near.length === back.length,
      );
      assert.deepEqual(one.received, { near: back, far: out });
      const bytes = (all: readonly Uint8Array[]) => all.reduce((sum, each) => sum + each.length, 0);
      assert.deepEqual([one.near.bytesSent, one.near.bytesReceived], [bytes(out), bytes(back)]);
      assert.deepEqual([far.bytesSent, far.bytesReceived], [bytes(back), bytes(out)]);
      one.near.close();
      await far.ended;
    }),
    { numRuns: 25 },
  );
});

Deno.test("datagrams of one turn share a DATA frame and a write", async () => {
  await using one = await flow();
  one.peer.respond(OK);
  await one.ends.client.ping(10_000); // nothing else is being sent
  const before = one.ends.client.writes;
  for (let i = 0; i < 20; i++) one.near.send(new Uint8Array(100).fill(i));
  const bytes = new Uint8Array(64 * 1024);
  const length = await one.peer.read(bytes);
  assert.equal(length, 20 * 104, "one frame brings all of them");
  assert.equal(one.ends.client.writes - before, 1);
});

Deno.test("where the peer takes no more, datagrams wait up to a limit, and then are dropped and counted", async () => {
  await using one = await flow({ server: { settings: { initialWindowSize: 10_000 } } });
  let taken = 0;
  while (one.near.send(pattern(1200, taken + 1))) taken++;
  assert.equal(one.near.dropped, 1);
  assert.ok(taken * 1204 > QUEUE_BYTES && taken * 1204 < QUEUE_BYTES + 11_000, `${taken}`);
  one.answer();
  await until("all have come", () => one.received.far.length === taken);
  for (const [i, payload] of one.received.far.entries()) assert.deepEqual(payload, pattern(1200, i + 1));
  assert.ok(one.near.send(pattern(1200)), "there is room again");
});

Deno.test("a flow whose peer doesn't read holds no other stream up", async () => {
  const echoed = Promise.withResolvers<void>();
  await using ends = connected((stream) => {
    stream.respond(OK);
    if (stream.request[1]?.[1] !== "connect-udp") void readAll(stream).then(() => echoed.resolve());
  });
  await ends.client.ready;
  const stuck = new DatagramStream(ends.client.open(REQUEST), () => {});
  while (stuck.send(pattern(60_000)));
  const other = ends.client.open([[":method", "CONNECT"], [":authority", "10.96.0.10:80"]]);
  await writeAll(other, pattern(500_000));
  await other.closeWrite();
  await echoed.promise;
  assert.ok(stuck.dropped > 0);
  stuck.abort();
});

Deno.test("the end of one side ends the other in order", async () => {
  await using one = await flow();
  const far = one.answer();
  one.near.send(pattern(10));
  one.near.close();
  assert.deepEqual(await far.ended, { kind: "clean" });
  assert.equal(one.received.far.length, 1, "what was sent before the end has come");
  assert.equal(far.send(pattern(1)), false);
  await one.near.ended;
  assert.equal(one.ends.client.streams + one.ends.server.streams, 0);
});

Deno.test("a refusal is an end: its text is no datagram", async () => {
  await using one = await flow();
  one.near.send(pattern(10));
  one.peer.respond([[":status", "502"], ["proxy-status", "pmz-gateway; error=connection_refused"]]);
  await writeAll(one.peer, datagram(pattern(10)));
  one.peer.close();
  const [status] = await one.ends.client.ready.then(() => one.near.ended).then(() => one.peer.response);
  assert.deepEqual(status, [":status", "502"]);
  assert.deepEqual(one.received.near, []);
  assert.equal(one.near.send(pattern(1)), false);
});

Deno.test("a flow that is closed while a datagram is half sent ends in order, and loses that one", async () => {
  await using one = await flow({ server: { settings: { initialWindowSize: 10_000 } } });
  while (one.near.send(pattern(1200)));
  await one.ends.client.ping(10_000); // the window is full, in the middle of a datagram
  one.near.close();
  const far = one.answer();
  assert.deepEqual(await far.ended, { kind: "clean" });
  assert.equal(one.received.far.length, 8);
});

Deno.test("capsules that are malformed, or cut off by the end, reset the stream", async () => {
  for (const bytes of [capsule(0, new Uint8Array(0)), capsule(7, pattern(100)).subarray(0, 50)]) {
    const accepted = Promise.withResolvers<Stream>();
    await using ends = connected(accepted.resolve);
    await ends.client.ready;
    const stream = ends.client.open(REQUEST);
    await writeAll(stream, bytes);
    await stream.closeWrite();
    const peer = await accepted.promise;
    peer.respond(OK);
    const end = await new DatagramStream(peer, () => {}).ended;
    assert.ok(end.kind === "reset" && end.by === "us", JSON.stringify(end));
  }
});

Deno.test("a reset and a lost connection end the flow, and what waits is let go", async () => {
  await using one = await flow({ server: { settings: { initialWindowSize: 1000 } } });
  while (one.near.send(pattern(1000)));
  one.peer.respond(OK);
  one.peer.abort();
  const end = await one.near.ended;
  assert.ok(end.kind === "reset" && end.by === "peer");
  await using other = await flow({ server: { settings: { initialWindowSize: 1000 } } });
  while (other.near.send(pattern(1000)));
  other.ends.server.abort();
  assert.equal((await other.near.ended).kind, "broken");
  assert.equal(other.near.send(pattern(1)), false);
});

Deno.test("an error of what receives the datagrams resets the flow and nothing else", async () => {
  const accepted = Promise.withResolvers<Stream>();
  await using ends = connected(accepted.resolve);
  await ends.client.ready;
  const near = new DatagramStream(ends.client.open(REQUEST), () => {});
  near.send(pattern(10));
  const peer = await accepted.promise;
  peer.respond(OK);
  const far = new DatagramStream(peer, () => {
    throw new Error("no room");
  });
  const end = await far.ended;
  assert.ok(end.kind === "reset" && end.by === "us");
  await assert.rejects(peer.read(new Uint8Array(1)), StreamReset);
  assert.ok(ends.client.accepting);
});

Deno.test("a flow that is closed while it is told of a datagram is told of no more", async () => {
  await using one = await flow();
  for (let i = 0; i < 5; i++) one.near.send(Uint8Array.of(i));
  await one.ends.client.ping(10_000); // they are all there
  one.peer.respond(OK);
  const received: number[] = [];
  const held: DatagramStream[] = [];
  const far = new DatagramStream(one.peer, ([first = -1]) => {
    received.push(first);
    for (const flow of held) flow.close();
  });
  assert.deepEqual(received, [0, 1, 2, 3, 4], "what had come before is read at once");
  held.push(far);
  for (let i = 5; i < 10; i++) one.near.send(Uint8Array.of(i));
  await far.ended;
  assert.deepEqual(received, [0, 1, 2, 3, 4, 5]);
});
