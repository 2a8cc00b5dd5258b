import assert from "node:assert/strict";
import fc from "fast-check";
import { agree, HelloMismatch, helloOf, parseHello } from "./hello.ts";

Deno.test("a hello is what the other side sent, without what this side doesn't know", () => {
  const hello = helloOf("tunnel", { features: ["lanes"], release: "9.9.9" });
  assert.deepEqual(parseHello({ ...hello, more: 1 }), hello);
});

Deno.test("a hello that isn't valid is a mismatch that names the field", () => {
  const hello = helloOf("helper");
  for (
    const [raw, message] of [
      [undefined, /hello is missing/],
      ["GET / HTTP/1.1", /hello is not a valid object/],
      [{ ...hello, version: -1 }, /hello\.version is not a valid version: expected 0 to 999999/],
      [{ ...hello, features: [7] }, /hello\.features\[0\] is not a valid text/],
    ] as const
  ) assert.throws(() => parseHello(raw), { name: "HelloMismatch", message });
});

Deno.test("two ends agree on the lower version and on the features that both name", () => {
  const ours = helloOf("tunnel", { version: 3, oldest: 1, features: ["a", "b"] });
  const theirs = helloOf("tunnel", { version: 2, oldest: 2, features: ["b", "c"] });
  assert.deepEqual(agree(ours, theirs), { version: 2, features: new Set(["b"]) });
  assert.throws(() => agree({ ...ours, oldest: 3 }, theirs), /too old for this pmz/);
  assert.throws(() => agree(ours, helloOf("helper")), HelloMismatch);
});

Deno.test("any bytes that come as a hello are a hello or a mismatch", () => {
  fc.assert(fc.property(fc.anything(), (raw) => {
    try {
      parseHello(raw);
    } catch (error) {
      assert.ok(error instanceof HelloMismatch, String(error));
    }
  }));
});
