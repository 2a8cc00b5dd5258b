import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type FrameHeader,
  MAX_HEADER,
  OPCODE,
  readHeader,
  smallFrame,
  WebSocketError,
  writeHeader,
} from "./websocket.ts";

const empty = (): FrameHeader => ({ opcode: 0, final: false, length: 0, size: 0 });

/** A client's header as a server would have sent it: without the mask. */
function unmasked(frame: Uint8Array, start: number): Uint8Array {
  const bytes = frame.slice(start);
  assert.equal(bytes[1]! & 0x80, 0x80, "a client's frame is masked");
  bytes[1]! &= 0x7f;
  return bytes;
}

Deno.test("a header that is written is read as it was, whatever the length", () => {
  const lengths = fc.oneof(fc.nat(200), fc.nat(70_000), fc.maxSafeNat().filter((n) => n < 2 ** 53));
  fc.assert(fc.property(lengths, fc.constantFrom(0, 1, 2), (length, opcode) => {
    const bytes = new Uint8Array(MAX_HEADER).fill(0xaa);
    const start = writeHeader(bytes, MAX_HEADER, opcode, length);
    assert.deepEqual([...bytes.subarray(MAX_HEADER - 4)], [0, 0, 0, 0], "the mask is zero");
    const sent = unmasked(bytes, start);
    const header = empty();
    assert(readHeader(sent, 0, sent.length, header));
    assert.deepEqual(header, { opcode, final: true, length, size: sent.length - 4 });
  }));
});

Deno.test("a header is known only when all of it has come", () => {
  for (const length of [0, 125, 126, 65_535, 65_536, 2 ** 40]) {
    const bytes = new Uint8Array(MAX_HEADER);
    const sent = unmasked(bytes, writeHeader(bytes, MAX_HEADER, OPCODE.binary, length));
    const size = sent.length - 4;
    for (let have = 0; have < size; have++) {
      assert.equal(readHeader(sent, 0, have, empty()), false, `${have} of ${size}`);
    }
    assert.equal(readHeader(sent, 0, size, empty()), true);
  }
});

Deno.test("any bytes are a header, too few, or a WebSocketError", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
    const header = empty();
    try {
      if (!readHeader(bytes, 0, bytes.length, header)) return;
    } catch (error) {
      assert(error instanceof WebSocketError);
      return;
    }
    assert(header.size <= bytes.length && header.size >= 2);
    assert(Number.isSafeInteger(header.length) && header.length >= 0);
    assert(header.opcode < 8 || header.final && header.length <= 125);
  }));
});

Deno.test("a server's masked frames, reserved bits and long control frames are refused", () => {
  for (
    const bytes of [[0x82, 0x80], [0xc2, 0], [0x92, 0], [0x09, 0], [0x89, 126], [
      0x82,
      127,
      0xff,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    ]]
  ) {
    assert.throws(
      () => readHeader(Uint8Array.from(bytes), 0, bytes.length, empty()),
      WebSocketError,
      String(bytes),
    );
  }
});

Deno.test("a small frame carries its payload as it is", () => {
  const frame = smallFrame(OPCODE.pong, Uint8Array.of(1, 2, 3));
  assert.deepEqual([...frame], [0x8a, 0x83, 0, 0, 0, 0, 1, 2, 3]);
});
