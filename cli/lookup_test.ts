import assert from "node:assert/strict";
import { addressesIn, lookup } from "./lookup.ts";

Deno.test("what getent prints is read as addresses, each once", () => {
  const text = "10.96.0.7       STREAM echo.default.svc\n10.96.0.7       DGRAM\nfe80::1%eth0 STREAM x\n";
  assert.deepEqual(addressesIn(text), ["10.96.0.7", "fe80::1"]);
  assert.deepEqual(addressesIn(""), []);
});

Deno.test("a name of this machine's is found as programs find it", async () => {
  const found = await lookup("localhost", new AbortController().signal);
  assert.ok(found === undefined || found.includes("127.0.0.1") || found.includes("::1"));
});
