import assert from "node:assert/strict";
import fc from "fast-check";
import { BadHead, readResponseHead, ResponseHead } from "./response_head.ts";

/** Hands out bytes in pieces of such sizes, and then the end. */
function reads(all: Uint8Array, sizes: Iterator<number>) {
  let at = 0;
  const read = (into: Uint8Array): Promise<number | null> => {
    if (at === all.length) return Promise.resolve(null);
    const size = Math.min(sizes.next().value ?? 1, into.length, all.length - at);
    into.set(all.subarray(at, at += size));
    return Promise.resolve(size);
  };
  return { read, left: () => all.subarray(at) };
}

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const text = (of: Uint8Array) => String.fromCharCode(...of);
const sizes = (max: number) => fc.infiniteStream(fc.integer({ min: 1, max }));

Deno.test("a head is read however it is cut, and what follows it isn't lost", async () => {
  const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
  const fields = fc.uniqueArray(fc.tuple(token, value), { selector: ([name]) => name, maxLength: 8 });
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 100, max: 599 }),
    fields,
    fc.string({ unit: "binary-ascii", maxLength: 50 }),
    sizes(40),
    async (status, fields, after, sizes) => {
      const lines = fields.map(([name, value]) => `${name.toUpperCase()}:  ${value} \r\n`).join("");
      const from = reads(bytes(`HTTP/1.1 ${status} Why not\r\n${lines}\r\n${after}`), sizes);
      const { head, rest } = await readResponseHead(from.read);
      assert.equal(head.status, status);
      assert.equal(head.statusLine, `HTTP/1.1 ${status} Why not`);
      for (const [name, value] of fields) assert.equal(head.field(name), value);
      assert.equal(head.field("no such field"), undefined);
      assert.equal(text(rest) + text(from.left()), after);
    },
  ));
});

Deno.test("read byte by byte, a head leaves what follows unread", async () => {
  const from = reads(bytes("HTTP/1.1 200 OK\r\n\r\nTLS"), [][Symbol.iterator]());
  assert.equal((await readResponseHead(from.read)).rest.length, 0);
  assert.equal(text(from.left()), "TLS");
});

Deno.test("any bytes are a head or a BadHead", async () => {
  const line = fc.constantFrom("HTTP/1.1 200 OK", "HTTP/1.0 99", "\r\n", "\r\n\r\n", ":", "\n", "x: y").map(
    bytes,
  );
  const parts = fc.array(fc.oneof(fc.uint8Array({ maxLength: 20 }), line), { maxLength: 12 });
  await fc.assert(fc.asyncProperty(parts, sizes(30), async (parts, sizes) => {
    const all = Uint8Array.from(parts.flatMap((part) => [...part]));
    await readResponseHead(reads(all, sizes).read).then(
      ({ head }) => assert.ok(head instanceof ResponseHead && head.status >= 100),
      (error) => assert.ok(error instanceof BadHead, String(error)),
    );
  }));
});

Deno.test("an endless head is given up", async () => {
  const from = reads(bytes("HTTP/1.1 200 OK\r\n" + "x: y\r\n".repeat(10_000)), Array(100).fill(999).values());
  await assert.rejects(readResponseHead(from.read), /longer than 32 KiB/);
});
