/** Many relays over one connection at once, with sockets that are slow, take and give odd parts, and break. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AbortableTransport } from "../../net/transport.ts";
import { LaneReceiver, LaneSender } from "../lanes/lanes.ts";
import { memoryPair } from "../testing/memory_transport.ts";
import { relay } from "./relay.ts";
import { connected, pattern, turn } from "../testing/pair.ts";

const COUNT = 8;

/** Whole numbers below `most`, always the same for a seed. */
function numbers(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % most;
  };
}

/** A socket whose program sends `out` and ends, and which knows what its program should get. */
class OddSocket implements AbortableTransport {
  got = 0;
  ended = false;
  broken = false;
  readonly #random: (most: number) => number;
  readonly #out: Uint8Array;
  readonly #expected: Uint8Array;
  readonly #wrong: (what: string) => void;
  /** Bytes after which the program resets it. */
  readonly #until: number;
  #at = 0;

  constructor(
    random: (most: number) => number,
    out: Uint8Array,
    expected: Uint8Array,
    wrong: (what: string) => void,
  ) {
    this.#random = random;
    this.#out = out;
    this.#expected = expected;
    this.#wrong = wrong;
    this.#until = random(10) === 0 ? random(100_000) : Infinity;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#random(3) === 0) await turn(this.#random(10));
    if (this.#at >= this.#until) this.broken = true;
    if (this.broken) {
      into.fill(0xee); // a read that fails may have written
      throw new Error("reset");
    }
    if (this.#at === this.#out.length) return null;
    const most = this.#random(4) === 0 ? 1 + this.#random(100) : into.length;
    const length = Math.min(most, into.length, this.#out.length - this.#at);
    into.set(this.#out.subarray(this.#at, this.#at + length));
    this.#at += length;
    return length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const before = bytes.slice();
    if (this.#random(2) === 0) await turn(this.#random(10));
    if (!same(before, bytes)) this.#wrong("bytes changed while they were being written");
    if (this.broken) throw new Error("reset");
    const length = this.#random(3) === 0 ? 1 + this.#random(bytes.length) : bytes.length;
    const expected = this.#expected.subarray(this.got, this.got + length);
    if (!same(bytes.subarray(0, length), expected)) this.#wrong(`other bytes after ${this.got}`);
    this.got += length;
    return length;
  }

  closeWrite(): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }

  close(): void {
    this.broken = true;
  }

  abort(): void {
    this.broken = true;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

for (const lanes of [false, true]) {
  Deno.test(`relays side by side deliver what was sent, or a break: ${lanes ? "two lanes" : "one transport"}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const random = numbers(seed);
        const wrong: string[] = [];
        const texts = Array.from(
          { length: COUNT },
          (_, i) => pattern(random(3) === 0 ? random(2_000) : random(400_000), i + 1),
        );
        const text = (i: number) => texts[i] ?? assert.fail();
        const [a, b] = memoryPair(), [c, d] = memoryPair();
        const far: { socket: OddSocket; i: number }[] = [];
        const relays: Promise<unknown>[] = [];
        await using ends = connected((stream) => {
          stream.respond([[":status", "200"]]);
          const i = Number(stream.request[2]?.[1]);
          const socket = new OddSocket(random, text(COUNT - 1 - i), text(i), (what) => wrong.push(what));
          far.push({ socket, i });
          relays.push(relay(stream, socket));
        }, { over: lanes ? [new LaneSender(a, c), new LaneReceiver(b, d)] : [a, b] });

        const run = async (i: number) => {
          const stream = ends.client.open([[":method", "CONNECT"], [":authority", "a:1"], ["i", `${i}`]]);
          const socket = new OddSocket(random, text(i), text(COUNT - 1 - i), (what) => wrong.push(what));
          const { error } = await relay(socket, stream);
          if (socket.ended && socket.got !== text(COUNT - 1 - i).length) {
            wrong.push("a break taken for an end");
          }
          if (error === undefined && !socket.ended) wrong.push("an end that nobody was told of");
        };
        await Promise.all(Array.from({ length: 3 * COUNT }, (_, i) => run(i % COUNT)));
        await Promise.all(relays);
        for (const { socket, i } of far) {
          if (socket.ended && socket.got !== text(i).length) wrong.push("a break taken for an end, there");
        }
        assert.deepEqual(wrong, []);
        assert.deepEqual([ends.client.buffered, ends.server.buffered, ends.client.streams], [0, 0, 0]);
      }),
      { numRuns: 10 },
    );
  });
}
