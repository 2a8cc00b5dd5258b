import assert from "node:assert/strict";
import { bytesOf } from "../../http/testing/heads.ts";
import { protocolOf } from "./protocol.ts";

const cases: [string, string][] = [
  ["http1", "GET / HTTP/1.1\r\n"],
  ["http1", "VERSION-CONTROL /a HTTP/1.0\r\nHost: e\r\n"],
  ["http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["tls", "\x16\x03"],
  ["other", "\x16\x02"],
  ["other", "PING\r\n"],
  ["other", "*1\r\n$4\r\nPING\r\n"],
  ["other", "EHLO me\r\n"],
  ["other", "GET /\r\n"],
  ["other", "GET / HTTP/1.1\n"],
  ["other", "get key\r\n"],
  ["other", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n"],
  ["other", "PRI / HTTP/2.0\r\n"],
  ["other", "SSH-2.0-client\r\n"],
  ["other", "\0\0\0\x08\x04\xd2\x16\x2f"],
];

Deno.test("a protocol is told by its first bytes, and no shorter beginning is told as another one", () => {
  for (const [protocol, text] of cases) {
    const bytes = bytesOf(text);
    assert.equal(protocolOf(bytes), protocol, JSON.stringify(text));
    for (let length = 0; length < bytes.length; length++) {
      assert.ok(
        ["more", protocol].includes(protocolOf(bytes.subarray(0, length))),
        JSON.stringify(text.slice(0, length)),
      );
    }
  }
});

Deno.test("a line that never ends is no request", () => {
  assert.equal(protocolOf(bytesOf(`GET /${"x".repeat(9_000)}`)), "other");
  assert.equal(protocolOf(bytesOf("A".repeat(40))), "other");
});
