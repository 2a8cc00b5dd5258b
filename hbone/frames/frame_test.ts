import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FRAME_HEADER,
  MAX_MAX_FRAME_SIZE,
  MAX_STREAM_ID,
  readUint24,
  readUint31,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import { decodeSettings, encodeSettings, INITIAL_SETTINGS } from "./settings.ts";

Deno.test("a frame's header is read as it was written, wherever it lies", () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const header = fc.tuple(fc.nat(50), fc.nat(MAX_MAX_FRAME_SIZE), byte, byte, fc.nat(MAX_STREAM_ID));
  fc.assert(fc.property(header, ([at, length, type, flags, stream]) => {
    const bytes = new Uint8Array(at + FRAME_HEADER);
    writeFrameHeader(bytes, at, length, type, flags, stream);
    assert.deepEqual(
      [readUint24(bytes, at), bytes[at + 3], bytes[at + 4], readUint31(bytes, at + 5)],
      [length, type, flags, stream],
    );
  }));
});

Deno.test("32-bit numbers keep their highest bit, stream identifiers ignore it", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 0xffffffff }), (value) => {
    const bytes = new Uint8Array(4);
    writeUint32(bytes, 0, value);
    assert.equal(readUint32(bytes, 0), value);
    assert.equal(readUint31(bytes, 0), value % 2 ** 31);
  }));
});

Deno.test("settings are read as they were written", () => {
  const settings = fc.record({
    headerTableSize: fc.nat(2 ** 31),
    enablePush: fc.boolean(),
    maxConcurrentStreams: fc.oneof(fc.constant(Infinity), fc.nat(2 ** 31)),
    initialWindowSize: fc.nat(2 ** 31 - 1),
    maxFrameSize: fc.integer({ min: 16_384, max: MAX_MAX_FRAME_SIZE }),
    maxHeaderListSize: fc.oneof(fc.constant(Infinity), fc.nat(2 ** 31)),
    enableConnectProtocol: fc.boolean(),
  });
  fc.assert(fc.property(settings, (all) => {
    assert.deepEqual(decodeSettings(encodeSettings(all), INITIAL_SETTINGS, "client"), { ...all });
  }));
});
