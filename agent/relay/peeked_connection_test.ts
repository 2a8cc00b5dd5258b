import assert from "node:assert/strict";
import type { AbortableTransport } from "../../net/transport.ts";
import { PeekedConnection } from "./peeked_connection.ts";

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

Deno.test("first bytes that were consumed aren't read again", async () => {
  const peeked = new PeekedConnection(caller(["GET /", " HTTP"]));
  assert.equal(new TextDecoder().decode(await peeked.first ?? undefined), "GET /");
  await peeked.consume();
  assert.equal(await all(peeked), " HTTP");
});

Deno.test("first bytes that weren't consumed are read again, in small buffers too", async () => {
  const peeked = new PeekedConnection(caller(["GET /", " HTTP"]));
  await peeked.first;
  assert.equal(await all(peeked, 2), "GET / HTTP");
});

Deno.test("what is unread is the connection itself once the first bytes were consumed, and the peeked one before", async () => {
  const connection = caller(["GET /", " HTTP"]);
  const consumed = new PeekedConnection(connection);
  assert.equal(consumed.unread(), consumed);
  await consumed.consume();
  assert.equal(consumed.unread(), connection);
  assert.equal(await all(consumed.unread()), " HTTP");
  const reread = new PeekedConnection(caller(["GET /", " HTTP"]));
  await reread.first;
  assert.equal(await all(reread.unread(), 2), "GET / HTTP");
  const ended = new PeekedConnection(caller([]));
  await ended.consume();
  assert.equal(await all(ended.unread()), "");
});

Deno.test("an end without bytes stays an end", async () => {
  const peeked = new PeekedConnection(caller([]));
  assert.equal(await peeked.first, null);
  await peeked.consume();
  assert.equal(await all(peeked), "");
  assert.equal(await all(peeked), "");
});

Deno.test("a caller that resets never looks like one that ended", async () => {
  const peeked = new PeekedConnection(caller([], "break"));
  await assert.rejects(peeked.read(new Uint8Array(1)), /reset by the caller/);
  await assert.rejects(new PeekedConnection(caller([], "break")).first, /reset by the caller/);
});
