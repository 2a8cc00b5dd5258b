import assert from "node:assert/strict";
import fc from "fast-check";
import { readShortBody } from "./response_body.ts";
import { ResponseHead } from "./response_head.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const join = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

/** Reads a body of which `early` bytes come with the head, and the rest in pieces of such sizes; then the connection stays silent, or ends. */
function body(
  field: string,
  all: Uint8Array,
  early: number,
  sizes: Iterator<number>,
  ends: boolean,
): Promise<string> {
  let at = Math.min(early, all.length);
  return readShortBody(
    (into) => {
      if (at === all.length) {
        return ends ? Promise.resolve(null) : Promise.reject(new Error("it would wait for ever"));
      }
      const size = Math.min(sizes.next().value ?? 1, into.length, all.length - at);
      into.set(all.subarray(at, at += size));
      return Promise.resolve(size);
    },
    new ResponseHead(`HTTP/1.1 403 Forbidden\r\n${field}\r\n`),
    all.subarray(0, early),
  );
}

const text = fc.string({ unit: "grapheme", maxLength: 200 });
const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 50 }));

Deno.test("a body with a length is read to its end and no further", async () => {
  await fc.assert(fc.asyncProperty(text, fc.nat(60), sizes, async (text, early, sizes) => {
    const field = `Content-Length: ${bytes(text).length}`;
    assert.equal(await body(field, bytes(text), early, sizes, false), text);
    assert.equal(await body(field, bytes(text + "more"), early, sizes, false), text);
  }));
});

Deno.test("a body in chunks is put together, wherever they are cut", async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 20 });
  await fc.assert(fc.asyncProperty(text, cuts, fc.nat(60), sizes, async (text, cuts, early, sizes) => {
    const whole = bytes(text), chunks: Uint8Array[] = [];
    for (let at = 0; at < whole.length;) {
      const chunk = whole.subarray(at, at += cuts[chunks.length] ?? whole.length);
      chunks.push(join([bytes(`${chunk.length.toString(16)};x=y\r\n`), chunk, bytes("\r\n")]));
    }
    const all = join([...chunks, bytes("0\r\n\r\n")]);
    assert.equal(await body("Transfer-Encoding: chunked", all, early, sizes, false), text);
  }));
});

Deno.test("a body without a length goes to the connection's end, or to 64 KiB", async () => {
  const large = bytes("x".repeat(100_000));
  assert.equal(await body("Server: x", bytes("no"), 0, [2].values(), true), "no");
  assert.equal((await body("Server: x", large, 10, Array(9).fill(20_000).values(), true)).length, 64 << 10);
});

Deno.test("any bytes are a body", async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.constantFrom("5\r\n", "ffffffff\r\n", "0\r\n\r\n").map(bytes),
  );
  const field = fc.constantFrom(
    "Transfer-Encoding: chunked",
    "Content-Length: 7",
    "Content-Length: -1",
    "X: y",
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 8 }),
      field,
      fc.boolean(),
      sizes,
      async (parts, field, ends, sizes) => {
        assert.equal(typeof await body(field, join(parts), 0, sizes, ends), "string");
      },
    ),
  );
});
