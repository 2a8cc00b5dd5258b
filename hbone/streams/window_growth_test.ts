import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionWindow, StreamWindow } from "./flow_control.ts";
import { DEFAULT_WINDOW } from "../frames/frame.ts";
import { RoundTrip } from "../guards/round_trip.ts";
import { state, type Stream } from "./stream.ts";
import { CONNECT, connected, pattern, turn } from "../testing/pair.ts";
import { linkPair } from "../testing/link.ts";
import { WindowGrowth } from "./window_growth.ts";

const MIB = 1024 * 1024;
const OK = [[":status", "200"]] as const;

Deno.test("windows that grow and shrink: the budget holds, no peer is wronged or left waiting", () => {
  const INITIAL = 64 * 1024;
  const MOST = 4 * MIB;
  const CAP = 16 * MIB;
  const step = fc.record({
    stream: fc.nat(5),
    send: fc.nat(3 * MIB),
    take: fc.oneof(fc.nat(3 * MIB), fc.constant(Infinity)),
    passMs: fc.oneof({ weight: 30, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(5000) }),
    over: fc.oneof({ weight: 30, arbitrary: fc.constant(false) }, {
      weight: 1,
      arbitrary: fc.constant(true),
    }),
  });
  let largest = 0;
  fc.assert(fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
    let now = performance.now();
    const roundTrip = new RoundTrip();
    roundTrip.sample(20, now);
    const connection = new ConnectionWindow(DEFAULT_WINDOW, 16 * MIB, CAP);
    const growth = new WindowGrowth(roundTrip, connection, INITIAL, MOST);
    let connectionAdmitted = DEFAULT_WINDOW + connection.credit();
    const open = () => ({
      window: new StreamWindow(INITIAL),
      admitted: INITIAL,
      unread: 0,
      promised: INITIAL,
    });
    const streams = Array.from({ length: 6 }, open);
    for (const { stream: at, send, take, passMs, over } of steps) {
      now += passMs;
      const stream = streams[at] as ReturnType<typeof open>;
      const sent = Math.min(send, stream.admitted, connectionAdmitted);
      stream.admitted -= sent;
      connectionAdmitted -= sent;
      stream.unread += sent;
      assert.ok(stream.window.receive(sent));
      assert.ok(connection.receive(sent));
      const taken = over ? stream.unread : Math.min(take, stream.unread);
      stream.unread -= taken;
      connection.release(taken);
      const increment = stream.window.take(taken);
      if (increment > 0) {
        const announced = increment + growth.credited(stream.window, increment, now);
        // A WINDOW_UPDATE of 0 is an error (RFC 9113 §6.9).
        assert.ok(announced > 0);
        stream.admitted += announced;
      }
      connectionAdmitted += connection.credit();
      if (over) {
        growth.over(stream.window);
        streams[at] = open();
      }
      largest = Math.max(largest, stream.window.size);
      stream.promised = Math.max(stream.promised, stream.window.size);
      assert.ok(stream.window.size <= MOST);
      assert.ok(stream.admitted + stream.unread <= stream.promised);
      if (stream.unread === 0) assert.ok(stream.admitted >= stream.window.size * 3 / 4 - 1);
      const grown = streams.reduce((sum, { window }) => sum + window.size - INITIAL, 0);
      assert.equal(grown, growth.granted);
      assert.ok(grown <= CAP / 2, `${grown} of ${CAP / 2}`);
      assert.ok(connectionAdmitted + connection.buffered <= CAP);
    }
  }));
  // Else the steps would have tried nothing.
  assert.equal(largest, MOST);
});

Deno.test("what a resting stream has is given to one that is busy", () => {
  const roundTrip = new RoundTrip();
  roundTrip.sample(100, 0);
  const connection = new ConnectionWindow(DEFAULT_WINDOW, 16 * MIB, 16 * MIB);
  const growth = new WindowGrowth(roundTrip, connection, MIB, 16 * MIB);
  let now = 1000;
  const busy = (window: StreamWindow) => {
    for (let i = 0; i < 100; i++) growth.credited(window, window.size, now += 100);
  };
  const [first, second] = [new StreamWindow(MIB), new StreamWindow(MIB)];
  busy(first);
  assert.equal(first.size, 9 * MIB);
  busy(second);
  assert.equal(first.size, MIB);
  assert.equal(second.size, 9 * MIB);
  growth.over(second);
  assert.equal(growth.granted, 0);
});

Deno.test("two streams that are busy share what windows may grow by", () => {
  const roundTrip = new RoundTrip();
  roundTrip.sample(100, 0);
  const connection = new ConnectionWindow(DEFAULT_WINDOW, 16 * MIB, 16 * MIB);
  const growth = new WindowGrowth(roundTrip, connection, MIB, 16 * MIB);
  const [first, second] = [new StreamWindow(MIB), new StreamWindow(MIB)];
  for (let now = 1000, i = 0; i < 100; i++, now += 100) {
    if (i < 80) growth.credited(first, first.size, now);
    if (i > 10) growth.credited(second, second.size, now);
    if (i === 79) assert.deepEqual([first.size, second.size], [5 * MIB, 5 * MIB]);
  }
});

const windowOf = (stream: Stream): number => stream[state].inbox.window.size;

/** Reads as fast as it comes, for so many milliseconds. */
async function readFor(stream: Stream, ms: number): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  for (const end = performance.now() + ms; performance.now() < end;) {
    if (await stream.read(buffer) === null) throw new Error("the stream ended early");
  }
}

for (const initialWindowSize of [64 * 1024, MIB]) {
  Deno.test(`one stream gets the window to fill a link of 50 Mbit/s at 80 ms, from one of ${initialWindowSize / 1024} KiB on`, async () => {
    const link = { roundTripMs: 80, bytesPerSecond: 50e6 / 8 };
    await using ends = connected(async (stream) => {
      stream.respond(OK);
      const bytes = pattern(MIB);
      try {
        for (;;) await stream.write(bytes);
      } catch {
        // The reader has seen enough.
      }
    }, { over: linkPair(link), client: { settings: { initialWindowSize } } });
    const stream = ends.client.open(CONNECT);
    await readFor(stream, 2500);
    // What the link holds: with a window of that much, nothing but the link limits the stream. (A rate says how busy this machine is.)
    assert.ok(
      windowOf(stream) >= link.bytesPerSecond * link.roundTripMs / 1000,
      `a window of ${windowOf(stream)}`,
    );
    stream.reset(8);
  });
}

Deno.test("a slow reader's window doesn't grow, beside a fast one's that does", async () => {
  const initialWindowSize = 64 * 1024;
  const link = { roundTripMs: 40, bytesPerSecond: 20e6 };
  await using ends = connected(async (stream) => {
    stream.respond(OK);
    const bytes = pattern(MIB);
    try {
      for (;;) await stream.write(bytes);
    } catch {
      // Enough.
    }
  }, { over: linkPair(link), client: { settings: { initialWindowSize } } });
  const slow = ends.client.open(CONNECT);
  const fast = ends.client.open(CONNECT);
  let slowGot = 0;
  const slowly = (async () => {
    for (let i = 0; i < 75; i++, await turn(20)) slowGot += await slow.read(new Uint8Array(5000)) ?? 0;
  })();
  await readFor(fast, 1500);
  await slowly;
  assert.ok(windowOf(fast) > initialWindowSize, `a window of ${windowOf(fast)}`);
  assert.equal(windowOf(slow), initialWindowSize);
  assert.ok(slowGot > 100_000);
  fast.reset(8);
  await turn(100);
  // All that lies there is the slow one's.
  assert.ok(ends.client.buffered <= 2 * initialWindowSize, `${ends.client.buffered} bytes buffered`);
  slow.reset(8);
});
