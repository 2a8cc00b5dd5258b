import assert from "node:assert/strict";
import {
  chunked,
  lengthOf,
  noBody,
  requestBodyLength,
  responseBodyLength,
  untilClose,
} from "./body_length.ts";
import { HttpFormatError } from "./error.ts";
import { requestHead, responseHead } from "./testing/heads.ts";

Deno.test("a request whose length two parsers could read differently is refused", () => {
  for (
    const fields of [
      "Content-Length: 5\nTransfer-Encoding: chunked",
      "Content-Length: 5\nContent-Length: 5",
      "Content-Length: 5, 5",
      "Content-Length: +5",
      "Content-Length: 0x5",
      "Content-Length: 5 5",
      "Content-Length:",
      "Content-Length: 1000000000000000",
      "Transfer-Encoding: ,chunked",
      "Transfer-Encoding: chunked,",
      "Transfer-Encoding: chunked, chunked",
      "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
      "Transfer-Encoding: xchunked",
      "Transfer-Encoding: gzip, chunked",
      "Transfer-Encoding: identity",
      "Transfer-Encoding:",
      "Transfer-Encoding: chunked\xa0",
      "Content_Length: 5",
      "Transfer_Encoding: chunked",
    ]
  ) {
    assert.throws(
      () => requestBodyLength(requestHead(`POST / HTTP/1.1\n${fields}`)),
      HttpFormatError,
      fields,
    );
  }
  assert.throws(
    () => requestBodyLength(requestHead("POST / HTTP/1.0\nTransfer-Encoding: chunked")),
    HttpFormatError,
  );
});

Deno.test("a request has the length that it declares, and no body where it declares none", () => {
  const length = (fields: string) => requestBodyLength(requestHead(`POST / HTTP/1.1\nHost: a${fields}`));
  assert.deepEqual(length(""), noBody);
  assert.deepEqual(length("\nContent-Length: 007"), lengthOf(7));
  assert.deepEqual(length("\ntransfer-ENCODING: Chunked"), chunked);
});

Deno.test("how long a response is depends on its request and its status", () => {
  const length = (text: string, method = "GET") => responseBodyLength(responseHead(text), method);
  assert.deepEqual(length("HTTP/1.1 200 OK\nContent-Length: 7", "HEAD"), noBody);
  assert.deepEqual(length("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", "HEAD"), noBody);
  assert.deepEqual(length("HTTP/1.1 304 Not Modified\nContent-Length: 7"), noBody);
  assert.deepEqual(length("HTTP/1.1 204 No Content"), noBody);
  assert.deepEqual(length("HTTP/1.1 100 Continue"), noBody);
  assert.deepEqual(length("HTTP/1.1 200\nContent-Length: 7"), lengthOf(7));
  assert.deepEqual(length("HTTP/1.1 200 OK\nTransfer-Encoding: Chunked"), chunked);
  assert.deepEqual(length("HTTP/1.0 200 OK"), untilClose);
  assert.throws(
    () => length("HTTP/1.1 200 OK\nContent-Length: 7\nTransfer-Encoding: chunked"),
    HttpFormatError,
  );
});
