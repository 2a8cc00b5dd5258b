import assert from "node:assert/strict";
import fc from "fast-check";
import { HttpFormatError } from "./error.ts";
import { latin1, listMembers, membersOf, valuesOf } from "./field_lines.ts";
import { parseRequestHead, parseResponseHead } from "./head.ts";
import { bytesOf, requestHead } from "./testing/heads.ts";

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
const value = fc.stringMatching(
  /^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,20}[\x21-\x7e\x80-\xff])?)?$/,
);
const space = fc.stringMatching(/^[\t ]{0,3}$/);

Deno.test("a head is read as it was written, and says where each of its lines lies", () => {
  const lines = fc.array(fc.tuple(token, space, value, space), { maxLength: 20 });
  fc.assert(fc.property(token, lines, (method, lines) => {
    const written = lines.map(([name, before, value, after]) => `${name}:${before}${value}${after}\r\n`);
    const bytes = bytesOf(`${method} /x HTTP/1.1\r\n${written.join("")}\r\n`);
    const head = parseRequestHead(bytes);
    assert.deepEqual([head.method, head.target, head.minor], [method, "/x", 1]);
    assert.deepEqual(
      head.fields.map(({ name, value }) => [name, value]),
      lines.map(([name, , value]) => [name.toLowerCase(), value]),
    );
    assert.deepEqual(head.fields.map(({ start, end }) => latin1(bytes.subarray(start, end))), written);
    assert.equal(head.bytes, bytes);
    assert.equal(head.fields[0]?.start ?? bytes.length - 2, head.fieldsStart);
  }));
});

Deno.test("bytes that are not a head give an HttpFormatError and nothing else", () => {
  const noise = fc.uint8Array({ minLength: 4, maxLength: 200 });
  const nearly = fc.stringMatching(/^GET [ -~]{1,20} HTTP\/1\.[0-9]\r\n([A-Za-z: ]{1,9}\r?\n){0,4}\r\n\r\n$/)
    .map(bytesOf);
  fc.assert(fc.property(fc.oneof(noise, nearly), (given) => {
    for (const parse of [parseRequestHead, parseResponseHead]) {
      try {
        parse(given);
      } catch (error) {
        assert.ok(error instanceof HttpFormatError, `${error}`);
      }
    }
  }));
});

Deno.test("field lines that two parsers could read differently are refused", () => {
  const lines = [
    "A : b",
    " A: b",
    "A: b\rC: d",
    "A: b\nC: d",
    "A: b\r\n c",
    "A",
    ": b",
    "A: \0",
    "A\0: b",
    "\xe4: b",
  ];
  for (const line of lines) {
    assert.throws(
      () => parseRequestHead(bytesOf(`GET / HTTP/1.1\r\n${line}\r\n\r\n`)),
      HttpFormatError,
      line,
    );
  }
});

Deno.test("start lines that are not HTTP/1.0's or HTTP/1.1's are refused", () => {
  const requests = [
    "GET  / HTTP/1.1",
    "GET / HTTP/1.2",
    "GET / HTTP/2.0",
    "GET / http/1.1",
    "GET /",
    "",
    "GET /a b HTTP/1.1",
  ];
  for (
    const line of [...requests, "GET\t/ HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "G\xe4T / HTTP/1.1"]
  ) {
    assert.throws(() => parseRequestHead(bytesOf(`${line}\r\n\r\n`)), HttpFormatError, line);
  }
  for (
    const line of [
      "HTTP/1.1 20 OK",
      "HTTP/1.1  200 OK",
      "HTTP/2 200",
      "ICY 200 OK",
      "HTTP/1.1 200 a\0b",
      "HTTP/1.1 099 x",
    ]
  ) {
    assert.throws(() => parseResponseHead(bytesOf(`${line}\r\n\r\n`)), HttpFormatError, line);
  }
  for (const line of ["HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.0 200 \xfcber gut"]) {
    assert.equal(parseResponseHead(bytesOf(`${line}\r\n\r\n`)).status, 200, line);
  }
});

Deno.test("a head has at most 200 fields", () => {
  const fields = (count: number) => `GET / HTTP/1.1\r\n${"A: b\r\n".repeat(count)}\r\n`;
  assert.equal(parseRequestHead(bytesOf(fields(200))).fields.length, 200);
  assert.throws(() => parseRequestHead(bytesOf(fields(201))), HttpFormatError);
});

Deno.test("a list with many spaces within a member takes about as long as one with as many letters", () => {
  const timed = (text: string) => {
    const start = performance.now();
    for (let i = 0; i < 20; i++) assert.equal(listMembers(text).length, 1);
    return performance.now() - start;
  };
  const letters = timed("a".repeat(32_000));
  assert.ok(timed(`a${" ".repeat(32_000)}b`) < 50 * letters + 500);
});

Deno.test("lists are read over all lines of a field, without empty members", () => {
  const { fields } = requestHead("GET / HTTP/1.1\nA: x, ,Y\nB: 1\na:\tz ,\nA:");
  assert.deepEqual(valuesOf(fields, "a"), ["x, ,Y", "z ,", ""]);
  assert.deepEqual(membersOf(fields, "a"), ["x", "y", "z"]);
  assert.deepEqual(membersOf(requestHead("GET / HTTP/1.1\nA: x\xa0,y").fields, "a"), ["x\xa0", "y"]);
});
