import assert from "node:assert/strict";
import type { AbortableTransport } from "../../net/transport.ts";
import { FirstRead } from "./peeked_connection.ts";

/** Gives its chunks one a read, then the end, or an error. */
function caller(chunks: readonly string[], end: "end" | "break" = "end"): AbortableTransport {
  const left = [...chunks];
  return {
    read(into) {
      const chunk = left.shift();
      if (chunk !== undefined) {
        const { written } = new TextEncoder().encodeInto(chunk, into);
        if (written < chunk.length) left.unshift(chunk.slice(written));
        return Promise.resolve(written);
      }
      return end === "end" ? Promise.resolve(null) : Promise.reject(new Error("reset by the caller"));
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close() {},
    abort() {},
  };
}

async function all(transport: AbortableTransport, size = 64): Promise<string> {
  const into = new Uint8Array(size);
  let text = "";
  for (let n; (n = await transport.read(into)) !== null;) {
    text += new TextDecoder().decode(into.subarray(0, n));
  }
  return text;
}

Deno.test("first bytes that went elsewhere aren't read again", async () => {
  const early = new FirstRead(caller(["GET /", " HTTP"]));
  assert.equal(new TextDecoder().decode(await early.first ?? undefined), "GET /");
  await early.taken();
  assert.equal(await all(early), " HTTP");
});

Deno.test("first bytes that nobody took are read, in small buffers too", async () => {
  const early = new FirstRead(caller(["GET /", " HTTP"]));
  await early.first;
  assert.equal(await all(early, 2), "GET / HTTP");
});

Deno.test("an end without bytes stays an end", async () => {
  const early = new FirstRead(caller([]));
  assert.equal(await early.first, null);
  await early.taken();
  assert.equal(await all(early), "");
  assert.equal(await all(early), "");
});

Deno.test("a caller that breaks off is never taken for one that ended", async () => {
  const early = new FirstRead(caller([], "break"));
  await assert.rejects(early.read(new Uint8Array(1)), /reset by the caller/);
  await assert.rejects(new FirstRead(caller([], "break")).first, /reset by the caller/);
});
