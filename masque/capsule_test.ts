import assert from "node:assert/strict";
import fc from "fast-check";
import {
  CapsuleReader,
  DATAGRAM_HEAD,
  LARGEST_PAYLOAD,
  MalformedCapsule,
  writeDatagramHead,
} from "./capsule.ts";
import { capsule, datagram, joined } from "./testing/capsules.ts";
import { Pieces } from "./testing/pieces.ts";

/** A reader, and the payloads that it has read. */
function reader() {
  const pieces = new Pieces();
  const read: Uint8Array[] = [];
  const reader = new CapsuleReader(pieces, (payload) => read.push(payload.slice()));
  return {
    pieces,
    read,
    end: () => reader.end(),
    come(bytes: Uint8Array) {
      pieces.add(bytes);
      reader.read();
    },
  };
}

/** Cuts bytes into pieces at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])]
    .sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const payload = fc.uint8Array({ maxLength: 300 });

Deno.test("payloads come out as they were sent, whatever lies between them and however the bytes are cut", () => {
  const part = fc.oneof(
    payload.map((payload) => ({ bytes: datagram(payload), payload })),
    // A capsule of a type that pmz doesn't know, and a datagram of another context.
    fc.tuple(fc.maxSafeNat().filter((type) => type !== 0), payload)
      .map(([type, value]) => ({ bytes: capsule(type, value) })),
    payload.map((value) => ({ bytes: capsule(0, joined([Uint8Array.of(2), value])) })),
    // The context id, and the type, in more bytes than they take.
    payload.map((payload) => ({ bytes: capsule(0, joined([Uint8Array.of(0x40, 0), payload])), payload })),
    payload.map((payload) => ({
      bytes: joined([Uint8Array.of(0x80, 0, 0, 0), datagram(payload).subarray(1)]),
      payload,
    })),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 40 }), (parts, cuts) => {
      const { read, come, end, pieces } = reader();
      for (const piece of cut(joined(parts.map(({ bytes }) => bytes)), cuts)) come(piece);
      end();
      assert.deepEqual(read, parts.flatMap((part) => "payload" in part ? [part.payload] : []));
      assert.equal(pieces.unread, 0);
    }),
  );
});

Deno.test("any bytes are payloads or malformed, and are read the same whole as byte by byte", () => {
  const outcome = (pieces: readonly Uint8Array[]) => {
    const { read, come, end } = reader();
    try {
      for (const piece of pieces) come(piece);
      end();
    } catch (error) {
      assert.ok(error instanceof MalformedCapsule, String(error));
      return { read, error: error.message };
    }
    return { read };
  };
  assert.deepEqual(outcome([Uint8Array.of(0), Uint8Array.of(0)]), outcome([Uint8Array.of(0, 0)]));
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.array(fc.constantFrom(0, 1, 2, 3, 0x40, 0x80, 0xc0, 0xff), { maxLength: 60 })
      .map((list) => Uint8Array.from(list)),
  );
  fc.assert(
    fc.property(bytes, (bytes) => {
      const whole = outcome([bytes]);
      assert.deepEqual(outcome(Array.from(bytes, (byte) => Uint8Array.of(byte))), whole);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("an end within a datagram loses it, and one within another capsule is malformed", () => {
  const ended = (bytes: Uint8Array) => {
    const { read, come, end } = reader();
    come(bytes);
    end();
    return read.length;
  };
  const two = joined([datagram(new Uint8Array(100)), datagram(new Uint8Array(100))]);
  for (let length = two.length / 2; length < two.length; length++) {
    assert.equal(ended(two.subarray(0, length)), 1);
  }
  const other = capsule(7, new Uint8Array(100));
  for (let length = 1; length < other.length; length++) {
    assert.throws(() => ended(other.subarray(0, length)), MalformedCapsule);
  }
});

Deno.test("the smallest and the largest payload come through, also in pieces", () => {
  for (const length of [0, 1, 61, 62, 63, 64, 16_382, 16_383, 65_507, LARGEST_PAYLOAD]) {
    const payload = new Uint8Array(length).fill(7);
    const bytes = datagram(payload);
    assert.ok(bytes.length - length <= DATAGRAM_HEAD);
    const { read, come, end } = reader();
    come(bytes);
    for (const piece of cut(bytes, [1, 2, 5, 30_000])) come(piece);
    end();
    assert.deepEqual(read.map(({ length }) => length), [length, length]);
  }
});

Deno.test("a payload that is larger than a datagram can be is malformed before its bytes have come", () => {
  const head = new Uint8Array(DATAGRAM_HEAD);
  const length = writeDatagramHead(head, LARGEST_PAYLOAD + 8);
  assert.throws(() => reader().come(head.subarray(0, length)), MalformedCapsule);
  const one = reader();
  assert.throws(() => one.come(datagram(new Uint8Array(LARGEST_PAYLOAD + 1))), MalformedCapsule);
});

Deno.test("a capsule of another type is skipped as it comes, however long it says it is", () => {
  const { read, come, end, pieces } = reader();
  come(capsule(0x1234, new Uint8Array(100_000)).subarray(0, 50));
  for (let i = 0; i < 99; i++) come(new Uint8Array(1000));
  assert.equal(pieces.unread, 0, "nothing of it is kept");
  assert.throws(end, /ended within a capsule/);
  const endless = Uint8Array.of(0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  assert.throws(() => come(joined([new Uint8Array(956), endless])), MalformedCapsule);
  assert.deepEqual(read, []);
});

Deno.test("a DATAGRAM capsule without a whole context id is malformed", () => {
  for (const value of [[], [0x40], [0xc0, 0, 0, 0, 0, 0, 0]]) {
    assert.throws(() => reader().come(capsule(0, Uint8Array.from(value))), /without a context id/);
  }
});
