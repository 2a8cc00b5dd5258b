import assert from "node:assert/strict";
import fc from "fast-check";
import { ApiError } from "../client/api_error.ts";
import { SilenceError, type WatchEvent, watchEvents } from "./watch_stream.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A body that comes in pieces, and then ends or stays silent. */
function body(pieces: readonly Uint8Array[], ends = true): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const next = left.shift();
      if (next) controller.enqueue(next);
      else if (ends) controller.close();
      else return new Promise(() => {});
    },
  });
}

async function read(from: ReadableStream<Uint8Array>, idleMs = 10_000): Promise<WatchEvent[]> {
  return await Array.fromAsync(watchEvents(from, idleMs));
}

function cut(all: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) pieces.push(all.subarray(at, at += size));
  return [...pieces, all.subarray(at)].filter(({ length }) => length > 0);
}

const event = fc.record({
  type: fc.constantFrom("ADDED", "MODIFIED", "DELETED", "BOOKMARK"),
  object: fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue(), { noNullPrototype: true }),
});
const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 });

Deno.test("events are the same wherever their bytes are cut; unknown types and empty lines are skipped", async () => {
  await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 8 }), sizes, async (events, sizes) => {
    const lines = events.map((each) => JSON.stringify(each) + "\n").join('\n{"type":"NEW","object":{}}\n');
    const expected = events.map((each) => JSON.parse(JSON.stringify(each)));
    assert.deepEqual(await read(body(cut(bytes(lines), sizes))), expected);
  }));
});

Deno.test("a line without an end is no event: it comes again from the last version seen", async () => {
  assert.deepEqual(await read(body([bytes('{"type":"ADDED","object":{}}')])), []);
});

Deno.test("any bytes are events or an ApiError", async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.constantFrom("\n", "{}\n", "null\n", '{"type":"ADDED","object":1}\n', '{"type":"ERROR","object":{}}\n')
      .map(bytes),
    fc.json().map((json) => bytes(json + "\n")),
  );
  await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
    await read(body(pieces)).catch((error) => assert.ok(error instanceof ApiError, String(error)));
  }));
});

Deno.test("an ERROR event is thrown with its code and reason, 410 as Expired", async () => {
  const thrown = (object: unknown) => read(body([bytes(JSON.stringify({ type: "ERROR", object }) + "\n")]));
  await assert.rejects(thrown({ code: 410, reason: "Gone", message: "too old" }), {
    status: 410,
    reason: "Expired",
  });
  await assert.rejects(thrown({ code: 403, reason: "Forbidden", message: "no" }), {
    status: 403,
    reason: "Forbidden",
    message: "The watch ended: no (403 Forbidden)",
  });
});

Deno.test("silence is an error, and cancels the body", async () => {
  let cancelled = false;
  const silent = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
  await assert.rejects(read(silent, 5), SilenceError);
  assert.equal(cancelled, true);
});
