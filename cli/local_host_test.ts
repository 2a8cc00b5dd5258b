import assert from "node:assert/strict";
import { CliFailure } from "./failure.ts";
import { checkLocalHost } from "./local_host.ts";
import { parseLocalTarget } from "./values.ts";

const web = { service: "web", namespace: "shop" };
const unknown = () => Promise.reject(new Error("ENOTFOUND"));

/** The failure of a LOCAL whose host has no address. */
async function refused(local: string) {
  const target = parseLocalTarget(local);
  assert.ok(target);
  const error = await checkLocalHost(web, target, unknown).then(() => undefined, (error: unknown) => error);
  return error instanceof CliFailure ? [error.failure.message, error.failure.hint] : undefined;
}

Deno.test("a host without an address is refused, and ports the other way round are put right", async () => {
  assert.deepEqual(await refused("http:9001"), [
    "http is not a valid host for LOCAL: it has no address",
    "LOCAL comes first: pmz intercept web.shop 9001:http",
  ]);
  assert.deepEqual(await refused("dev.example:9001"), [
    "dev.example is not a valid host for LOCAL: it has no address",
    "your program's port alone is enough: pmz intercept web.shop 9001",
  ]);
});

Deno.test("addresses and localhost are not looked up, and a host with an address is fine", async () => {
  for (const local of ["9001", "127.0.0.1:9001", "[::1]:9001", "localhost:9001:http"]) {
    assert.equal(await refused(local), undefined, local);
  }
  await checkLocalHost(web, { host: "devbox", local: 9001 }, () => Promise.resolve(["192.0.2.1"]));
});
