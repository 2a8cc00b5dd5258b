/** Measures what streams cost in memory, as JSON. Run with --v8-flags=--expose-gc. */
import { byHand, frame, headers, uint32 } from "./by_hand.ts";
import { FrameType } from "../frames/frame.ts";
import { relay } from "../relay/relay.ts";
import { CONNECT, connected, echo, readAll, turn, writeAll } from "./pair.ts";

/** Bytes. */
export interface MemoryOfStreams {
  /** What each of 10,000 streams has left once they were closed. */
  left: number;
  /** What an open stream with a relay costs an end while nothing comes, its socket not counted. */
  idle: number;
  /** What a byte costs that came in a frame of its own and that nobody has read. */
  unread: number;
  /** Of 100 streams that waited for the connection's window and were reset, how many are still there. */
  kept: number;
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

async function unread(): Promise<number> {
  await using peer = await byHand();
  await peer.send(headers(1));
  const one = frame(FrameType.DATA, 0, 1, new Uint8Array(1));
  const thousand = await new Blob(Array(1000).fill(one) as BlobPart[]).bytes();
  const before = await used();
  for (let i = 0; i < 300; i++) await peer.send(thousand);
  return (await used() - before) / peer.connection.buffered;
}

async function kept(): Promise<number> {
  await using peer = await byHand();
  await peer.send(headers(1));
  const [first] = peer.streams;
  if (!first) throw new Error("no stream came");
  first.respond([[":status", "200"]]);
  await writeAll(first, new Uint8Array(65_535)); // all that the connection's window admits
  let collected = 0;
  const registry = new FinalizationRegistry(() => collected++);
  for (let id = 3; id < 203; id += 2) {
    await peer.send(headers(id));
    const stream = peer.streams.pop();
    if (!stream) throw new Error("no stream came");
    registry.register(stream, id);
    stream.respond([[":status", "200"]]);
    stream.write(new Uint8Array(10)).catch(() => {});
    await peer.send(frame(FrameType.RST_STREAM, 0, id, uint32(8)));
  }
  await used();
  return 100 - collected;
}

if (import.meta.main) {
  const found: MemoryOfStreams = {
    left: await left(),
    idle: await idle(),
    unread: await unread(),
    kept: await kept(),
  };
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(found)));
  Deno.exit(0);
}
