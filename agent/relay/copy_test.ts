import assert from "node:assert/strict";
import type { Header } from "../../hbone/mod.ts";
import { turn } from "../../hbone/testing/pair.ts";
import { Copy, type CopyStream } from "./copy.ts";
import { MirrorLimits } from "./mirror_limits.ts";

/** A laptop that takes nothing until it is told to, and notes the sizes of what it takes. */
function slowLaptop() {
  const taking = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<null>();
  const sizes: number[] = [];
  const stream: CopyStream = {
    response: Promise.resolve<readonly Header[]>([[":status", "200"]]),
    async write(bytes) {
      await taking.promise;
      sizes.push(bytes.length);
      return bytes.length;
    },
    read: () => ended.promise,
    closeWrite: () => Promise.resolve(),
    close: () => ended.resolve(null),
    abort: () => ended.resolve(null),
  };
  return { stream, sizes, take: () => taking.resolve(), end: () => ended.resolve(null) };
}

Deno.test("small pieces that wait are kept together: they cost about as much memory as they are counted for", async () => {
  const laptop = slowLaptop();
  const counts = { seen: 0, taken: 0, declined: 0 };
  const target = { owner: { namespace: "n", rule: "a" }, counts, open: () => laptop.stream };
  const copy = Copy.begin("connection", target, new MirrorLimits());
  const pieces = 20_000;
  for (let at = 0; at < pieces; at++) copy?.add(Uint8Array.of(at));
  copy?.end();
  laptop.take();
  laptop.end();
  while (counts.taken + counts.declined === 0) await turn();
  assert.equal(counts.taken, 1);
  assert.equal(laptop.sizes.reduce((all, size) => all + size, 0), pieces);
  assert.ok(laptop.sizes.length < 20, `${laptop.sizes.length} pieces`);
});
