import assert from "node:assert/strict";
import { Http2Request } from "./http2_request.ts";

type Field = readonly [string, string];
const of = (authority: readonly Field[], path: string, ...fields: Field[]) =>
  Http2Request.of([[":method", "GET"], [":scheme", "http"], ...authority, [":path", path], ...fields]);

Deno.test("a request is for its authority, in lower case and without port", () => {
  assert.equal(of([[":authority", "Alice.Shop.example:8080"]], "/")?.host, "alice.shop.example");
  assert.equal(of([], "/", ["host", "echo"])?.host, "echo");
  assert.equal(of([[":authority", "echo"]], "/", ["host", "ECHO:80"])?.host, "echo");
  assert.equal(of([], "/")?.host, undefined);
});

Deno.test("its authority is its header host, as in HTTP/1.1", () => {
  assert.deepEqual(of([[":authority", "Echo:80"]], "/")?.header("host"), ["Echo:80"]);
  assert.deepEqual(of([[":authority", "echo"]], "/", ["host", "ECHO"])?.header("host"), ["ECHO"]);
  assert.deepEqual(of([], "/")?.header("host"), []);
});

Deno.test("its path is without the query, as it was sent", () => {
  assert.equal(of([], "/a%20b?c=d#e")?.path, "/a%20b");
  assert.equal(of([], "*")?.path, "*");
});

Deno.test("what servers could understand differently is not routed", () => {
  assert.equal(of([[":authority", "echo"]], "/", ["host", "other"]), undefined);
  assert.equal(of([], "/", ["host", "echo"], ["host", "echo"]), undefined);
  assert.equal(of([[":authority", "user@echo"]], "/"), undefined);
  assert.equal(of([[":authority", ""]], "/"), undefined);
  assert.equal(of([], "http://echo/"), undefined);
  assert.equal(Http2Request.of([[":method", "CONNECT"], [":authority", "echo:80"]]), undefined);
});

Deno.test("cookies that come in several fields are found all the same", () => {
  const request = of([], "/", ["cookie", "a=b"], ["cookie", "user=alice; c=d"], ["baggage", "x=1,pmz=%61b"]);
  assert.deepEqual(request?.cookie("user"), ["alice"]);
  assert.deepEqual(request?.cookie("a"), ["b"]);
  assert.deepEqual(request?.baggage("pmz"), ["ab"]);
  assert.deepEqual(request?.header("cookie"), ["a=b", "user=alice; c=d"]);
  assert.deepEqual(request?.header(":path"), []);
});
