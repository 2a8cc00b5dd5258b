import assert from "node:assert/strict";
import { acceptAll } from "./accept.ts";
import { NoOpenFiles } from "../testing/open_files.ts";

const loopback = { hostname: "127.0.0.1", port: 0 };

for (const when of ["before", "meanwhile"]) {
  Deno.test(`it ends when the listener is closed ${when}`, async () => {
    const listener = Deno.listen(loopback);
    if (when === "before") listener.close();
    const accepting = acceptAll(listener, () => assert.fail("nobody came"));
    if (when === "meanwhile") listener.close();
    await accepting;
  });
}

Deno.test("a process that was out of descriptors accepts again, and says once that it couldn't", async () => {
  const listener = Deno.listen(loopback);
  const failures: unknown[] = [];
  const accepted: Deno.TcpConn[] = [];
  const came = Promise.withResolvers<void>();
  const accepting = acceptAll(listener, (connection) => {
    accepted.push(connection);
    came.resolve();
  }, { failed: (error) => failures.push(error) });
  const none = new NoOpenFiles();
  let client: Deno.TcpConn;
  try {
    none.giveBack();
    client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }); // which takes it
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(accepted.length, 0);
  } finally {
    none[Symbol.dispose]();
  }
  await came.promise;
  const [{ remoteAddr } = assert.fail()] = accepted;
  assert.deepEqual(remoteAddr, client.localAddr);
  assert.equal(failures.length, 1);
  assert.match(String(failures[0]), /Too many open files/);
  for (const each of [client, ...accepted]) each.close();
  listener.close();
  await accepting;
});
