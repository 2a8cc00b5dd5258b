import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { Connection, type ConnectionEnd } from "../connection/connection.ts";
import { memoryPair } from "../testing/memory_transport.ts";
import { CONNECT, connected, pattern, readAll, tcpPair, turn, writeAll } from "../testing/pair.ts";
import { KeptConnection } from "./kept_connection.ts";

/** A connection whose PINGs the test answers. */
function fakeConnection() {
  const closed = Promise.withResolvers<ConnectionEnd>();
  const pings: { readonly timeoutMs: number; answer(ms: number): void; fail(): void }[] = [];
  return {
    pings,
    closed: closed.promise,
    ping(timeoutMs: number): Promise<number> {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      pings.push({
        timeoutMs,
        answer: resolve,
        fail: () => reject(new DOMException("late", "TimeoutError")),
      });
      return promise;
    },
    abort: (_code: unknown, error?: Error) => closed.resolve({ kind: "broken", ...(error ? { error } : {}) }),
    close: () => closed.resolve({ kind: "clean" }),
  };
}

const turns = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("a connection that answers is pinged again after the interval, and tells its round trips", async () => {
  const [connection, clock] = [fakeConnection(), new FakeClock()];
  const roundTrips: number[] = [];
  const onAnswer = (ms: number) => void roundTrips.push(ms);
  const kept = new KeptConnection(connection, { everyMs: 5_000, timeoutMs: 7_000, onAnswer, clock });
  assert.deepEqual(connection.pings.map(({ timeoutMs }) => timeoutMs), [7_000]);
  connection.pings[0]?.answer(3);
  await clock.advance(4_999);
  assert.equal(connection.pings.length, 1);
  assert.equal(kept.stable, false);
  await clock.advance(1);
  connection.pings[1]?.answer(4);
  await turns();
  assert.deepEqual(roundTrips, [3, 4]);
  assert.equal(kept.stable, true, "it has answered an interval after its first answer");
  connection.close();
  assert.deepEqual(await kept.closed, { kind: "clean" });
  assert.equal(clock.pending, 0);
});

Deno.test("a connection that doesn't answer is aborted, with the reason", async () => {
  const connection = fakeConnection();
  const kept = new KeptConnection(connection, { everyMs: 5_000, timeoutMs: 7_000 });
  connection.pings[0]?.fail();
  const end = await kept.closed;
  assert.equal(end.error?.message, "no answer to a PING within 7 s");
  assert.equal(kept.stable, false);
});

Deno.test("a check pings at once with its own time limit, however often it is asked for", async () => {
  const [connection, clock] = [fakeConnection(), new FakeClock()];
  const kept = new KeptConnection(connection, { everyMs: 5_000, timeoutMs: 7_000, clock });
  connection.pings[0]?.answer(1);
  for (let i = 0; i < 100; i++) kept.check(2_000);
  assert.deepEqual(connection.pings.map(({ timeoutMs }) => timeoutMs), [7_000, 2_000]);
  connection.pings[1]?.answer(1);
  await turns();
  kept.check(2_000);
  assert.equal(connection.pings.length, 3);
  connection.pings[2]?.fail();
  assert.match(String((await kept.closed).error), /within 2 s/);
});

Deno.test("nothing is left when the connection closes while a PING is under way", async () => {
  const [near, far] = memoryPair();
  await using peer = new Connection(far, { role: "server" });
  const kept = new KeptConnection(new Connection(near, { role: "client" }), {
    everyMs: 60_000,
    timeoutMs: 60_000,
  });
  peer.abort();
  await kept.closed;
});

Deno.test("a draining connection is not cut off by its PINGs, while the peer still reads", async () => {
  const [near, far] = await tcpPair();
  const slowly = {
    read: async (into: Uint8Array) => {
      await turn(25);
      return await near.read(into.subarray(0, 20_000)); // 800 KB/s; the kernel's buffers have the rest
    },
    write: (bytes: Uint8Array) => near.write(bytes),
    closeWrite: () => near.closeWrite(),
    close: () => near.close(),
  };
  await using ends = connected((stream) => {
    stream.respond([[":status", "200"]]);
    void writeAll(stream, pattern(1_000_000)).then(() => stream.closeWrite()).catch(() => {});
  }, { over: [slowly, far] });
  const kept = new KeptConnection(ends.server, { everyMs: 20, timeoutMs: 10_000 });
  await ends.client.ping(5_000);
  const stream = ends.client.open(CONNECT, { end: true });
  await stream.response;
  const reading = readAll(stream);
  ends.server.drain();
  assert.equal((await reading).length, 1_000_000);
  await ends.client[Symbol.asyncDispose]();
  assert.equal((await kept.closed).kind, "clean");
});
