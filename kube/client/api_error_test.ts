import assert from "node:assert/strict";
import fc from "fast-check";
import { parseServer } from "./access.ts";
import { ApiError, errorOfAnswer, errorOfFailure } from "./api_error.ts";

const what = "list pods in namespace a";

Deno.test("a Status's own message and reason are told, with what to do", () => {
  const status = { kind: "Status", reason: "Forbidden", message: "pods is forbidden" };
  const error = errorOfAnswer(what, 403, JSON.stringify(status));
  assert.deepEqual([error.status, error.reason], [403, "Forbidden"]);
  assert.equal(
    error.message,
    "Can't list pods in namespace a: pods is forbidden (403 Forbidden). Ask the cluster's administrator for that right.",
  );
  assert.equal(errorOfAnswer(what, 410, '{"reason":"Gone"}').reason, "Expired");
  assert.equal(errorOfAnswer(what, 429, "", "7").retryAfter, 7);
  assert.equal(errorOfAnswer(what, 429, "", "Mon, 30 Nov 2026 10:00:00 GMT").retryAfter, undefined);
});

Deno.test("any answer is an error on one line without control characters, of limited length", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 5_000 }),
    fc.json(),
    fc.record({ reason: fc.string({ unit: "binary" }), message: fc.string({ unit: "binary" }) }).map((of) =>
      JSON.stringify(of)
    ),
  );
  fc.assert(fc.property(fc.integer({ min: 300, max: 599 }), text, fc.string(), (status, text, retryAfter) => {
    const error = errorOfAnswer(what, status, text, retryAfter);
    assert.ok(ApiError.is(error) && error.status === status && error.reason !== "");
    assert.ok(!/[\p{C}]/u.test(error.message), JSON.stringify(error.message));
    assert.ok(error.message.length < 4_500);
  }));
});

Deno.test("a failure without an answer is told by its kind, with the server, the proxy on the way and the causes", () => {
  const access = { ...parseServer("https://api:6443"), caCerts: [], headers: {} };
  const failed = (cause: unknown, more = {}) => errorOfFailure(what, { ...access, ...more }, cause);
  const refused = failed(new TypeError("fetch failed", { cause: new Error("connection refused") }));
  assert.equal(refused.reason, "Unreachable");
  assert.match(
    refused.message,
    /^Can't list pods in namespace a: no answer from https:\/\/api:6443: connection refused\. /,
  );
  const proxied = failed(new Error("connection refused"), {
    proxyUrl: "http://jo:secret@proxy:3128",
    proxySource: "HTTPS_PROXY",
  });
  assert.match(
    proxied.message,
    /https:\/\/api:6443 through the proxy http:\/\/proxy:3128 \(HTTPS_PROXY\): connection refused/,
  );
  assert.equal(failed(new DOMException("no answer within 20 s", "TimeoutError")).reason, "Timeout");
  const stranger = new Error("invalid peer certificate: UnknownIssuer");
  assert.equal(failed(stranger).reason, "Certificate");
  assert.match(failed(stranger).message, /isn't trusted by this kubeconfig/);
  assert.match(
    failed(stranger, { trustsSystem: true }).message,
    /no CA, and this machine doesn't trust.*SSL_CERT_FILE/,
  );
});
