import assert from "node:assert/strict";
import fc from "fast-check";
import { requestBodyLength, responseBodyLength } from "./body_length.ts";
import { valuesOf } from "./field_lines.ts";
import { parseRequestHead, parseResponseHead } from "./head.ts";
import { membersOf } from "./field_lines.ts";
import { persists } from "./persistence.ts";
import { PlainHead } from "./plain_head.ts";
import { bytesOf } from "./testing/heads.ts";

const plain = new PlainHead();
const request = (...lines: string[]) => bytesOf(["GET /x HTTP/1.1", ...lines, "", ""].join("\r\n"));

Deno.test("requests as clients send them are plain, and their fields are found in whatever case", () => {
  const bytes = request(
    "HOST: shop.example:8080",
    "User-Agent: curl",
    "x-user:  alice\t",
    "Connection: Keep-Alive",
    "X-User: bob",
  );
  assert.ok(plain.readRequest(bytes));
  assert.deepEqual([plain.end, plain.bodyLength], [bytes.length, 0]);
  assert.deepEqual([plain.method, plain.target], ["GET", "/x"]);
  assert.deepEqual(plain.values("x-user"), ["alice", "bob"]);
  assert.deepEqual([plain.has("user-agent"), plain.has("user_agent"), plain.values("cookie")], [
    true,
    false,
    [],
  ]);
  assert.ok(plain.readRequest(bytesOf("POST / HTTP/1.1\r\nHost: a.\r\nContent-Length: 12\r\n\r\nhello")));
  assert.deepEqual([plain.bodyLength, plain.isIdempotent], [12, false]);
  for (
    const [method, expected] of [["GET", true], ["PUT", true], ["get", false], ["GETS", false], [
      "PATCH",
      false,
    ]]
  ) {
    assert.ok(plain.readRequest(bytesOf(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)));
    assert.equal(plain.isIdempotent, expected, `${method}`);
  }
});

Deno.test("a request is not plain where something has to be agreed on, or two parsers could disagree", () => {
  for (
    const bytes of [
      ...["HEAD", "CONNECT", "head"].map((method) => bytesOf(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)),
      ...["GET * HTTP/1.1", "GET http://a/ HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/1.2", "GET  / HTTP/1.1"]
        .map((line) => bytesOf(`${line}\r\nHost: a\r\n\r\n`)),
      ...[
        "",
        "Host: a\r\nHost: a",
        "Host: [::1]",
        "Host: .a",
        "Host: a..b",
        "Host: a b",
        "Host: a:123456",
        "Host: a:b",
        `Host: ${"a".repeat(64)}`,
        "Host: a\r\nConnection: close",
        "Host: a\r\nConnection: keep-alive, x",
        "Host: a\r\nExpect: 100-continue",
        "Host: a\r\nUpgrade: websocket",
        "Host: a\r\nTransfer-Encoding: chunked",
        "Host: a\r\nTransfer_Encoding: chunked",
        "Host: a\r\nContent_Length: 1",
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 1",
        "Host: a\r\nContent-Length: +1",
        "Host: a\r\nContent-Length:",
        "Host: a\r\n b",
        "Host: a\r\nX : b",
        "Host: a\r\nX: a\rb",
        "Host: a\r\nX: a\nY: b",
      ].map((fields) => request(...fields === "" ? [] : [fields])),
    ]
  ) assert.ok(!plain.readRequest(bytes), JSON.stringify(String.fromCharCode(...bytes)));
});

Deno.test("an answer is plain where its length is known and its connection stays", () => {
  const answer = (status: string, ...fields: string[]) =>
    plain.readResponse(bytesOf(["HTTP/1.1 " + status, ...fields, "", ""].join("\r\n")));
  assert.ok(
    answer("200 OK", "Content-Length: 7", "Connection: keep-alive", "Upgrade: h2c", "Host: a", "Host: b"),
  );
  assert.equal(plain.bodyLength, 7);
  assert.ok(answer("304 Not Modified", "Content-Length: 7"));
  assert.equal(plain.bodyLength, 0);
  assert.ok(answer("204"));
  for (
    const [status, ...fields] of [
      ["200 OK"],
      ["100 Continue"],
      ["101 Switching Protocols", "Content-Length: 0"],
      ["200 OK", "Content-Length: 1", "Transfer-Encoding: chunked"],
      ["200 OK", "Content-Length: 1", "Connection: close"],
      ["2000", "Content-Length: 1"],
      ["20", "Content-Length: 1"],
    ] as [string, ...string[]][]
  ) assert.ok(!answer(status, ...fields), `${status} ${fields}`);
  assert.ok(!plain.readResponse(bytesOf("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n")));
});

Deno.test("what is plain is read as the parser of all heads reads it, and no head is plain before its end", () => {
  const field = fc.oneof(
    fc.constantFrom(
      "Host: a",
      "host: b.example:1",
      "Connection: keep-alive",
      "Connection: close",
      "Content-Length: 5",
      "Expect: x",
      "X-User: alice",
      "Transfer-Encoding: chunked",
    ),
    fc.tuple(fc.stringMatching(/^[A-Za-z_-]{1,18}$/), fc.stringMatching(/^[ \t]{0,2}[!-~\t ]{0,20}$/)).map((
      [name, value],
    ) => `${name}:${value}`),
  );
  const start = fc.constantFrom(
    "GET / HTTP/1.1",
    "POST /a?b HTTP/1.1",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 204 ",
    "HTTP/1.1 404 x y",
    "GET /a b HTTP/1.1",
  );
  const edit = fc.option(
    fc.record({ at: fc.nat(300), put: fc.constantFrom("\r", "\n", " ", ":", "\0", "\x80", "a", "\r\n") }),
  );
  fc.assert(
    fc.property(start, fc.array(field, { maxLength: 6 }), edit, (start, fields, edit) => {
      let text = [start, ...fields.flatMap((one, i) => i === 0 ? ["Host: x", one] : [one]), "", ""].join(
        "\r\n",
      );
      if (edit) text = text.slice(0, edit.at) + edit.put + text.slice(edit.at);
      const bytes = bytesOf(text);
      const isRequest = plain.readRequest(bytes);
      if (!isRequest && !plain.readResponse(bytes)) return;
      const { end, bodyLength } = plain;
      const head = isRequest
        ? parseRequestHead(bytes.subarray(0, end))
        : parseResponseHead(bytes.subarray(0, end));
      assert.ok(persists(head));
      assert.deepEqual("method" in head ? requestBodyLength(head) : responseBodyLength(head, "GET"), {
        kind: "length",
        length: bodyLength,
      });
      if ("method" in head) assert.deepEqual([plain.method, plain.target], [head.method, head.target]);
      for (const { name } of head.fields) {
        assert.deepEqual(plain.values(name), valuesOf(head.fields, name));
        assert.ok(plain.has(name));
      }
      if ("method" in head) {
        assert.deepEqual([membersOf(head.fields, "expect"), membersOf(head.fields, "upgrade")], [[], []]);
      }
      for (let cut = 0; cut < end; cut++) {
        const part = bytes.subarray(0, cut);
        assert.ok(!plain.readRequest(part) && !plain.readResponse(part), `${cut}`);
      }
    }),
    { numRuns: 1_000 },
  );
});
