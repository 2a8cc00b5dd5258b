import assert from "node:assert/strict";
import fc from "fast-check";
import { networkError, networkErrorIn } from "./extended_error.ts";

Deno.test("a network error is found among other options, with its words", () => {
  const cookie = new Uint8Array([0, 10, 0, 2, 1, 2]);
  const why = "nothing listens at 127.0.0.1";
  assert.equal(networkErrorIn(new Uint8Array([...cookie, ...networkError(why)])), why);
  assert.equal(networkErrorIn(cookie), undefined);
  assert.equal(networkErrorIn(new Uint8Array([0, 15, 0, 2, 0, 22])), undefined); // another error
});

Deno.test("any bytes are read, and what is cut short says nothing", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    networkErrorIn(bytes);
  }));
  const whole = networkError("no");
  for (let length = 0; length < whole.length; length++) {
    assert.equal(networkErrorIn(whole.subarray(0, length)), undefined);
  }
});
