import assert from "node:assert/strict";
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
