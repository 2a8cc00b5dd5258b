import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, EarlyEnd } from "../../http/byte_reader.ts";
import { BodyEnd, chunked, lengthOf, untilEnd } from "../../http/body.ts";
import { HttpFormatError } from "../../http/error.ts";
import {
  bodyOfRequest,
  bodyOfResponse,
  endToEnd,
  parseRequestHead,
  parseResponseHead,
  type RequestHead,
  writeHead,
} from "../../http/head.ts";
import { readProxyRequest } from "./http_request.ts";
import { parseTarget } from "./target.ts";

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const request = (text: string) => parseRequestHead(bytes(text.replaceAll("\n", "\r\n") + "\r\n\r\n"));
const isOurs = (host: string) => host.endsWith(".svc");
const read = (text: string) => readProxyRequest(request(text), isOurs);

Deno.test("a head is read as it was written", () => {
  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
  const value = fc.stringMatching(
    /^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]{0,20}[\x21-\x7e\x80-\xff])?)?$/,
  );
  fc.assert(fc.property(token, fc.array(fc.tuple(token, value), { maxLength: 20 }), (method, fields) => {
    const head = parseRequestHead(writeHead(`${method} /x HTTP/1.1`, fields));
    assert.deepEqual(head, { method, target: "/x", minor: 1, fields });
  }));
});

Deno.test("bytes that are no head give an HttpFormatError and nothing else", () => {
  const noise = fc.uint8Array({ minLength: 4, maxLength: 200 });
  const nearly = fc.stringMatching(/^GET [ -~]{1,20} HTTP\/1\.[0-9]\r\n([A-Za-z: ]{1,9}\r?\n){0,4}\r\n\r\n$/)
    .map(bytes);
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

Deno.test("fields that two readers could read differently are refused", () => {
  for (const field of ["A : b", " A: b", "A: b\rC: d", "A: b\nC: d", "A", ": b", "A: \0", "A\0: b"]) {
    assert.throws(
      () => parseRequestHead(bytes(`GET / HTTP/1.1\r\n${field}\r\n\r\n`)),
      HttpFormatError,
      field,
    );
  }
  const smuggled = [
    "Content-Length: 5\nTransfer-Encoding: chunked",
    "Content-Length: 5\nContent-Length: 5",
    "Content-Length: 5, 5",
    "Content-Length: +5",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: gzip, chunked",
  ];
  for (const fields of smuggled) {
    assert.throws(() => bodyOfRequest(request(`POST / HTTP/1.1\n${fields}`)), HttpFormatError, fields);
  }
  assert.throws(() => bodyOfRequest(request("POST / HTTP/1.0\nTransfer-Encoding: chunked")), HttpFormatError);
});

Deno.test("a body's end is found wherever its pieces are cut", () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 });
  const cuts = fc.array(fc.nat(2_000), { maxLength: 20 });
  fc.assert(fc.property(chunks, cuts, fc.boolean(), (data, at, trailers) => {
    const encoded = [
      ...data.flatMap((one) => [...bytes(`${one.length.toString(16)};x=y\r\n`), ...one, 13, 10]),
      ...bytes(trailers ? "0\r\nA: b\r\n\r\n" : "0\r\n\r\n"),
    ];
    const whole = Uint8Array.from([...encoded, ...bytes("GET / HTTP/1.1")]);
    assert.equal(counted(new BodyEnd(chunked), whole, at), encoded.length);
    assert.equal(counted(new BodyEnd(lengthOf(data.length)), whole, at), data.length);
    assert.equal(counted(new BodyEnd(untilEnd), whole, at), whole.length);
  }));
});

function counted(end: BodyEnd, whole: Uint8Array, cuts: readonly number[]): number {
  const edges = [...new Set([...cuts, whole.length])].filter((cut) => cut <= whole.length).sort((a, b) =>
    a - b
  );
  let [at, count] = [0, 0];
  for (const edge of edges) {
    count += end.belongs(whole.subarray(at, edge));
    at = edge;
  }
  return count;
}

Deno.test("a chunked body that breaks its rules is refused", () => {
  for (
    const body of [
      "x\r\n",
      "-1\r\n",
      "5\nabcde",
      "5\r\nabcdeXX",
      "5\r\nabcde\n\n",
      " 5\r\n",
      "5" + "0".repeat(20),
      "5;" + "x".repeat(2000),
    ]
  ) {
    assert.throws(
      () => new BodyEnd(chunked).belongs(bytes(body + "\r\n")),
      HttpFormatError,
      body.slice(0, 20),
    );
  }
});

Deno.test("how a response ends depends on its request and status", () => {
  const response = (text: string) => parseResponseHead(bytes(text.replaceAll("\n", "\r\n") + "\r\n\r\n"));
  const kind = (text: string, method = "GET") => bodyOfResponse(response(text), method);
  assert.deepEqual(kind("HTTP/1.1 200 OK\nContent-Length: 7", "HEAD"), lengthOf(0));
  assert.deepEqual(kind("HTTP/1.1 304 Not Modified\nContent-Length: 7"), lengthOf(0));
  assert.deepEqual(kind("HTTP/1.1 204 No Content"), lengthOf(0));
  assert.deepEqual(kind("HTTP/1.1 200\nContent-Length: 7"), lengthOf(7));
  assert.deepEqual(kind("HTTP/1.1 200 OK\nTransfer-Encoding: Chunked"), chunked);
  assert.deepEqual(kind("HTTP/1.0 200 OK"), untilEnd);
});

Deno.test("fields of this hop, and those that Connection names, stay behind; those that frame the message don't", () => {
  const { fields } = request(
    "GET / HTTP/1.1\nConnection: X-Mine, close, Content-Length\nX-Mine: 1\nProxy-Authorization: secret\nTE: trailers\n" +
      "Upgrade: h2c\nKeep-Alive: 5\nProxy-Connection: keep-alive\nContent-Length: 3\nX-Theirs: 2",
  );
  assert.deepEqual(endToEnd(fields), [["Content-Length", "3"], ["X-Theirs", "2"]]);
});

Deno.test("requests in absolute form are forwarded in origin form", async () => {
  const forms: [string, string, string, number][] = [
    ["http://echo.default.svc/", "/", "echo.default.svc", 80],
    ["http://echo.default.svc", "/", "echo.default.svc", 80],
    ["HTTP://Echo:8080/a?b=c", "/a?b=c", "Echo", 8080],
    ["http://echo?x", "/?x", "echo", 80],
    ["http://[fd00::1]:81/x", "/x", "fd00::1", 81],
  ];
  for (const [target, path, host, port] of forms) {
    const got = await read(`GET ${target} HTTP/1.1`);
    assert.ok(got.kind === "forward", target);
    assert.deepEqual([got.path, got.target], [path, { host, port }]);
  }
  assert.equal((await read("OPTIONS http://echo HTTP/1.1") as { path?: string }).path, "*");
});

Deno.test("what a web page can make a browser send is refused", async () => {
  const status = async (text: string) => (await read(text) as { status?: number }).status;
  assert.equal(await status("GET / HTTP/1.1\nHost: 127.0.0.1:1080"), 400);
  assert.equal(
    await status("POST /x HTTP/1.1\nHost: evil.example:1080\nOrigin: http://evil.example:1080"),
    400,
  );
  assert.equal(await status("GET http://echo.default.svc/ HTTP/1.1\nHost: evil.example"), 400);
  assert.equal(
    await status("GET http://echo.default.svc/ HTTP/1.1\nHost: echo.default.svc\nHost: echo.default.svc"),
    400,
  );
  assert.equal(await status("POST http://echo.default.svc/ HTTP/1.1\nOrigin: https://evil.example"), 403);
  assert.equal(await status("POST http://echo.default.svc/ HTTP/1.1\nOrigin: null"), 403);
  assert.equal(await status("CONNECT echo.default.svc:443 HTTP/1.1\nOrigin: https://evil.example"), 403);
  assert.equal(
    (await read("POST http://echo.default.svc/ HTTP/1.1\nOrigin: http://web.default.svc:8080")).kind,
    "forward",
  );
  assert.equal(
    (await read("POST http://echo/ HTTP/1.1\nHost: ECHO:80\nOrigin: http://echo")).kind,
    "forward",
  );
});

Deno.test("CONNECT takes a host and a port, nothing else", async () => {
  assert.deepEqual(await read("CONNECT echo.default.svc:443 HTTP/1.1"), {
    kind: "connect",
    target: { host: "echo.default.svc", port: 443 },
  });
  for (
    const target of ["echo", "echo:0", "echo:65536", "a@b:1", "http://echo:80", ":80", "[::1]", "a/b:80"]
  ) {
    assert.equal((await read(`CONNECT ${target} HTTP/1.1`)).kind, "refused", target);
  }
  for (const target of ["https://echo/", "ftp://echo/", "http://u:p@echo/", "http://echo:x/", "*"]) {
    assert.equal((await read(`GET ${target} HTTP/1.1`)).kind, "refused", target);
  }
});

Deno.test("any request head is understood or refused, never more", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 80 }), fc.string({ maxLength: 40 }), async (target, host) => {
      const head: RequestHead = { method: "GET", target, minor: 1, fields: [["Host", host]] };
      const got = await readProxyRequest(head, isOurs);
      if (got.kind === "forward") assert.match(got.path, /^\/[^#]*$/);
      const parsed = parseTarget(target);
      if (parsed) assert.ok(parsed.port > 0 && parsed.port < 65536);
    }),
  );
});

Deno.test("a head is found wherever it is cut, and has a limit", async () => {
  const whole = bytes("GET / HTTP/1.1\r\nA: b\r\n\r\nrest");
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: whole.length }), async (size) => {
    const reader = new ByteReader(pieces(whole, size));
    assert.deepEqual(await reader.head(100), whole.slice(0, -4));
    assert.deepEqual(await reader.exactly(4), whole.slice(-4));
    assert.equal(await reader.head(100), undefined);
  }));
  await assert.rejects(new ByteReader(pieces(new Uint8Array(5_000), 64)).head(1_000), EarlyEnd);
  await assert.rejects(new ByteReader(pieces(bytes("GET"), 1)).head(1_000), EarlyEnd);
});

function pieces(whole: Uint8Array, size: number) {
  let at = 0;
  return {
    read(into: Uint8Array) {
      const piece = whole.subarray(at, Math.min(at + size, at + into.length));
      into.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length || null);
    },
  };
}
