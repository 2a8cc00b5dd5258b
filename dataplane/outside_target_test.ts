import assert from "node:assert/strict";
import { parseAddress } from "../net/address.ts";
import { addressesOutside, dialOutside, type Outside } from "./outside_target.ts";
import { ProxyTargetError } from "./proxy/target.ts";

const host = "db.default.svc";
const name = "db.example.com";
const loopback = parseAddress("127.0.0.1") ?? assert.fail();

/** A laptop whose nameservers have these addresses for any name, and that is in the network 192.168.1.0/24. */
const outside = (...addresses: string[]): Outside => ({
  resolve: () => Promise.resolve(addresses),
  why: ({ text }) =>
    text.startsWith("192.168.1.") ? "in 192.168.1.0/24, a network of this machine" : undefined,
});

const failure = (kind: string, says: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ProxyTargetError);
  assert.equal(error.kind, kind);
  assert.match(error.message, says);
  return true;
};

Deno.test("a name outside has the addresses that a cluster's name may lead to", async () => {
  const found = await addressesOutside({ host, name }, outside("192.168.1.5", "203.0.113.9", "2001:db8::9"));
  assert.deepEqual(found.map(({ text }) => text), ["203.0.113.9", "2001:db8::9"]);
  await assert.rejects(
    addressesOutside({ host, name }, outside("192.168.1.5")),
    failure(
      "destination_ip_prohibited",
      /leads to db\.example\.com.*192\.168\.1\.5 is in 192\.168\.1\.0\/24/,
    ),
  );
  await assert.rejects(
    addressesOutside({ host, name }, { ...outside(), resolve: () => Promise.reject(new Error("ENOTFOUND")) }),
    failure("destination_not_found", /nameservers have no address for it$/),
  );
  await assert.rejects(
    addressesOutside({ host, name: "203.0.113.9" }, outside("203.0.113.9")),
    failure("destination_not_found", /looks like an address/),
  );
});

Deno.test("its addresses are dialled one after the other; bytes are counted, and the end is told once", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    const into = new Uint8Array(10);
    const count = await conn.read(into);
    await conn.write(into.subarray(0, count ?? 0));
  })();
  const addresses = [parseAddress("127.0.0.99") ?? assert.fail(), loopback];
  const port = listener.addr.port;
  const connection = await dialOutside(
    { host, name, port },
    addresses,
    new TextEncoder().encode("hello"),
  );
  const into = new Uint8Array(10);
  assert.equal(await connection.read(into), 5);
  assert.equal(await connection.read(into), null);
  connection.close();
  await served;
  assert.deepEqual([connection.sent, connection.received, await connection.closed], [5, 5, { kind: "done" }]);
});

Deno.test("where none of them takes the connection, it is said what each of them did", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(
    dialOutside({ host, name, port }, [loopback], undefined),
    failure("connection_refused", /which refuses the connection: 127\.0\.0\.1:/),
  );
  await assert.rejects(
    dialOutside({ host, name, port }, [], undefined),
    failure("destination_ip_unroutable", /it has no address$/),
  );
});
