import assert from "node:assert/strict";
import { ConnectionOwners } from "./connection_owner.ts";
import { arrivalOf } from "./socket_owner.ts";

const uid = Deno.uid() ?? -1;
const mine = [{ first: uid, last: uid }];
const others = [{ first: uid + 1, last: uid + 1_000 }];

async function connected(hostname: string) {
  using listener = Deno.listen({ hostname, port: 0 });
  const [client, accepted] = await Promise.all([
    Deno.connect({ hostname: listener.addr.hostname, port: listener.addr.port }),
    listener.accept(),
  ]);
  return { client, arrival: arrivalOf(accepted), [Symbol.dispose]: () => accepted.close() };
}

Deno.test("the owner of a connection is told by the kernel, without its tables", async () => {
  using owners = new ConnectionOwners({ isFrom: () => Promise.reject(new Error("the tables were read")) });
  for (const hostname of ["127.0.0.1", "::1"]) {
    using connection = await connected(hostname);
    assert.equal(await owners.isFrom(connection.arrival, mine), true);
    assert.equal(await owners.isFrom(connection.arrival, others), false);
    connection.client.close();
  }
});

Deno.test("a connection whose program has closed it is looked for in the tables", async () => {
  const asked: unknown[] = [];
  using owners = new ConnectionOwners({ isFrom: (arrival) => (asked.push(arrival), Promise.resolve(false)) });
  using connection = await connected("127.0.0.1");
  connection.client.close();
  assert.equal(await owners.isFrom(connection.arrival, mine), false);
  assert.deepEqual(asked, [connection.arrival]);
});
