import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { Connection, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { writeAll } from "../../http/byte_reader.ts";
import { UnreadStreams } from "./unread_streams.ts";

/** A stream that has so many bytes unread, and notes its reset. */
function streamWith(unread: number) {
  const ended = Promise.withResolvers<{ kind: "clean" }>();
  return {
    unread,
    closed: ended.promise,
    isReset: false,
    reset() {
      this.isReset = true;
      this.unread = 0;
    },
    async end() {
      ended.resolve({ kind: "clean" });
      await Promise.resolve();
      await Promise.resolve();
    },
  };
}

Deno.test("the caller that leaves most unread has its fullest streams reset, and no other caller has", () => {
  const streams = new UnreadStreams(100, 50);
  const greedy = [5, 30, 20, 25].map(streamWith);
  const modest = [10, 9].map(streamWith);
  for (const stream of greedy) streams.add("greedy", stream);
  for (const stream of modest) streams.add("modest", stream);
  assert.deepEqual(streams.relieve(), []);
  greedy.push(streamWith(10));
  for (const stream of greedy.slice(-1)) streams.add("greedy", stream);
  assert.deepEqual(streams.relieve(), [{ caller: "greedy", streams: 3 }]);
  assert.deepEqual(greedy.map(({ isReset }) => isReset), [false, true, true, true, false]);
  assert.deepEqual(modest.map(({ isReset }) => isReset), [false, false]);
  assert.deepEqual(streams.relieve(), []);
});

Deno.test("callers that leave as much unread give way in turns", () => {
  const streams = new UnreadStreams(100, 40);
  for (let i = 0; i < 10; i++) {
    streams.add("one", streamWith(5));
    streams.add("two", streamWith(5));
  }
  assert.deepEqual(streams.relieve(), [{ caller: "one", streams: 6 }, { caller: "two", streams: 6 }]);
});

Deno.test("a stream that has ended counts for as long as something of it is unread, and then is forgotten", async () => {
  const streams = new UnreadStreams(100, 50);
  const [read, unread] = [streamWith(0), streamWith(100)];
  streams.add("a", read);
  streams.add("b", unread);
  await read.end();
  await unread.end();
  assert.equal(streams.callers, 1);
  assert.deepEqual(streams.relieve(), [{ caller: "b", streams: 1 }]);
  assert.equal(streams.callers, 0);
});

Deno.test("an ended stream that was read in the meantime is forgotten at the next look", async () => {
  const streams = new UnreadStreams(100, 50);
  const stream = streamWith(10);
  streams.add("a", stream);
  await stream.end();
  stream.unread = 0;
  assert.deepEqual(streams.relieve(), []);
  assert.equal(streams.callers, 0);
});

Deno.test("another caller's answer comes through a tunnel that one has filled, as soon as that one's streams are reset", async () => {
  const [theirs, ours] = memoryPair();
  const answer = new Uint8Array(1024 * 1024);
  const laptop = new Connection(theirs, {
    role: "server",
    onStream: (stream) => {
      stream.respond([[":status", "200"]]);
      writeAll(stream, answer).catch(() => {}); // it's reset
    },
  });
  const tunnel = new Connection(ours, { role: "client" });
  const streams = new UnreadStreams();
  const open = (caller: string): Stream => {
    const stream = tunnel.open([[":method", "CONNECT"], [":authority", caller]]);
    streams.add(caller, stream);
    return stream;
  };
  const greedy = Array.from({ length: 80 }, () => open("greedy"));
  const unread = () => greedy.reduce((sum, stream) => sum + stream.unread, 0);
  let before = -1;
  await until("the tunnel is full", () => {
    const isFull = unread() === before && before > 60 * 1024 * 1024;
    before = unread();
    return isFull;
  });
  const modest = open("modest");
  const [reset] = streams.relieve();
  assert.equal(reset?.caller, "greedy");
  const into = new Uint8Array(64 * 1024);
  let got = 0;
  while (got < answer.length) got += await modest.read(into) ?? assert.fail("it has ended");
  for (const end of [tunnel, laptop]) end.abort();
  await Promise.all([tunnel.closed, laptop.closed]);
});
