import assert from "node:assert/strict";
import { latin1 } from "./field_lines.ts";
import { HeadWriter } from "./head_writer.ts";
import { endToEnd } from "./hop_by_hop.ts";
import { keepAliveSeconds, persists } from "./persistence.ts";
import { requestHead, responseHead } from "./testing/heads.ts";

Deno.test("fields of one connection stay behind, and those that Connection names; those that frame the message go on", () => {
  const head = requestHead(
    "GET / HTTP/1.1\nConnection: X-Mine, close, Content-Length, Host\nX-Mine: 1\nHost:  a\nProxy-Authorization: secret\n" +
      "TE: trailers\nUpgrade: h2c\nKeep-Alive: 5\nProxy-Connection: keep-alive\nContent-Length: 3\nX-Theirs:2 \nconnection: x-two\nX-TWO: 3",
  );
  const writer = new HeadWriter().fieldLines(endToEnd(head.fields), head.bytes);
  assert.equal(latin1(writer.written), "Host:  a\r\nContent-Length: 3\r\nX-Theirs:2 \r\n");
});

Deno.test("a message of any size is put together, and the next one in its place", () => {
  const writer = new HeadWriter();
  const long = "x".repeat(5_000);
  assert.equal(
    latin1(writer.text("a").text(long).bytes(new Uint8Array(3_000).fill(98)).written),
    `a${long}${"b".repeat(3_000)}`,
  );
  assert.equal(latin1(writer.clear().text("\xe4").written), "\xe4");
});

Deno.test("whether a connection persists follows its version and its Connection field", () => {
  const table: [string, boolean][] = [
    ["GET / HTTP/1.1", true],
    ["GET / HTTP/1.1\nConnection: a, Close", false],
    ["GET / HTTP/1.0", false],
    ["GET / HTTP/1.0\nConnection: Keep-Alive", true],
    ["GET / HTTP/1.0\nConnection: keep-alive, close", false],
    ["GET / HTTP/1.0\nProxy-Connection: keep-alive", true],
    ["GET / HTTP/1.1\nProxy-Connection: close", false],
  ];
  for (const [text, expected] of table) {
    assert.equal(persists(requestHead(text), "proxy-connection"), expected, text);
  }
  assert.equal(persists(requestHead("GET / HTTP/1.1\nProxy-Connection: close")), true);
});

Deno.test("how long a server keeps an idle connection is read from Keep-Alive", () => {
  const seconds = (value: string) => keepAliveSeconds(responseHead(`HTTP/1.1 200 OK\n${value}`));
  assert.equal(seconds("Keep-Alive: timeout=5"), 5);
  assert.equal(seconds("Keep-Alive: max=100, Timeout=72"), 72);
  for (const none of ["A: b", "Keep-Alive: 5", "Keep-Alive: timeout=x", "Keep-Alive: xtimeout=5"]) {
    assert.equal(seconds(none), undefined, none);
  }
});
