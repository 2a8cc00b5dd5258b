import assert from "node:assert/strict";
import { shutDown } from "./shut_down.ts";

async function pair(listener: Deno.TcpListener) {
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  return { near, far: await listener.accept() };
}

Deno.test("both ends of a connection that was shut down see its end, and no other's do", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { near, far } = await pair(listener);
  const other = await pair(listener);
  const waiting = near.read(new Uint8Array(1));
  shutDown(near);
  assert.equal(await waiting, null);
  assert.equal(await far.read(new Uint8Array(1)), null);
  await other.near.write(new Uint8Array(1));
  assert.equal(await other.far.read(new Uint8Array(9)), 1);
  for (const conn of [near, far, other.near, other.far]) conn.close();
});

Deno.test("of a connection that is closed nothing is shut down, whoever has its number", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const gone = await pair(listener);
  gone.near.close();
  gone.far.close();
  const { near, far } = await pair(listener);
  for (const conn of [gone.near, gone.far]) shutDown(conn);
  await near.write(new Uint8Array(1));
  assert.equal(await far.read(new Uint8Array(9)), 1);
  for (const conn of [near, far]) conn.close();
});
