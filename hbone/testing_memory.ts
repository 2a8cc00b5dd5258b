/** Measures what streams cost in memory, as JSON. Run with --v8-flags=--expose-gc. */
import { relay } from "./relay.ts";
import { CONNECT, connected, echo, readAll, turn } from "./testing.ts";

/** Bytes. */
export interface MemoryOfStreams {
  /** What each of 10,000 streams has left once they were closed. */
  left: number;
  /** What an open stream with a relay costs an end while nothing comes, its socket not counted. */
  idle: number;
}

async function used(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    (globalThis as unknown as { gc(): void }).gc();
    await turn(10);
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

async function left(): Promise<number> {
  await using ends = connected(echo);
  const openAndClose = async () => {
    const stream = ends.client.open(CONNECT, { first: new Uint8Array(100), end: true });
    await readAll(stream);
    await stream.closed;
  };
  const hundred = () => Promise.all(Array.from({ length: 100 }, openAndClose));
  // What is made once is there before.
  for (let i = 0; i < 20; i++) await hundred();
  const before = await used();
  for (let i = 0; i < 100; i++) await hundred();
  return (await used() - before) / 10_000;
}

async function idle(): Promise<number> {
  const COUNT = 2000;
  const silent = {
    read: () => new Promise<never>(() => {}),
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
  const ends = connected((stream) => {
    stream.respond([[":status", "200"]]);
    relay(stream, silent);
  });
  const before = await used();
  const streams = Array.from({ length: COUNT }, () => ends.client.open(CONNECT));
  for (const stream of streams) relay(silent, stream);
  await Promise.all(streams.map((stream) => stream.response));
  return (await used() - before) / COUNT / 2;
}

if (import.meta.main) {
  const found: MemoryOfStreams = { left: await left(), idle: await idle() };
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(found)));
  Deno.exit(0);
}
