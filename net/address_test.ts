import assert from "node:assert/strict";
import fc from "fast-check";
import { isIP } from "node:net";
import { addressOf, formatEndpoint, parseAddress, parseEndpoint } from "./address.ts";

Deno.test("an address has one text, whichever way it was written", () => {
  for (
    const [written, text] of [
      ["10.96.0.10", "10.96.0.10"],
      ["::ffff:10.96.0.10", "10.96.0.10"],
      ["::FFFF:a60:a", "10.96.0.10"],
      ["fd00:0077:0:0::1", "fd00:77::1"],
      ["0:0:0:0:0:0:0:0", "::"],
      ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
      ["::1", "::1"],
    ] as const
  ) assert.equal(parseAddress(written)?.text, text, written);
});

Deno.test("text that isn't an address is refused", () => {
  for (
    const text of [
      "",
      "1.2.3",
      "1.2.3.256",
      "01.2.3.4",
      "1::2::3",
      ":1",
      "1:2:3:4:5:6:7:8:9",
      "g::",
      "1.2.3.4 ",
      "::1%eth0",
    ]
  ) {
    assert.equal(parseAddress(text), undefined, text);
  }
});

Deno.test("bytes and text of any address agree, and node:net knows it too", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
    const address = addressOf(bytes);
    assert.deepEqual(parseAddress(address.text)?.bytes, new Uint8Array(bytes));
    assert.equal(isIP(address.text), address.family);
  }));
});

Deno.test("no text makes the parser throw, and it takes what node:net takes", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (text) => {
    assert.equal(parseAddress(text) !== undefined, isIP(text) !== 0 && !text.includes("%"));
  }));
});

Deno.test("an endpoint is an address and a port", () => {
  assert.equal(parseEndpoint("10.0.0.1:80")?.port, 80);
  assert.equal(parseEndpoint("[fd00::1]:443")?.address.text, "fd00::1");
  assert.equal(formatEndpoint("fd00::1", 443), "[fd00::1]:443");
  for (const text of ["10.0.0.1", "10.0.0.1:0", "10.0.0.1:65536", "fd00::1:443", "host:80", "[10.0.0.1:80"]) {
    assert.equal(parseEndpoint(text), undefined, text);
  }
});
