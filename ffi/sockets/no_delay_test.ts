import assert from "node:assert/strict";
import { setNoDelay } from "./no_delay.ts";
import { getOption, localEndpoint } from "./socket.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

/** TCP_NODELAY of the socket of this process that is bound to a port. */
function optionOf(connection: Deno.TcpConn): number {
  const descriptor = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name)).find((fd) => {
    try {
      return localEndpoint(fd).port === connection.localAddr.port;
    } catch {
      return false; // No socket.
    }
  });
  assert.ok(descriptor !== undefined);
  return getOption(descriptor, IPPROTO_TCP, TCP_NODELAY);
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`it's set on that connection and on no other, its peer neither, on ${hostname}`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    using client = await Deno.connect({ hostname, port: listener.addr.port });
    using server = await listener.accept();
    assert.deepEqual([optionOf(client), optionOf(server)], [0, 0]);
    assert.equal(setNoDelay(client), true);
    assert.deepEqual([optionOf(client), optionOf(server)], [1, 0]);
  });
}

Deno.test("of a connection that is closed, and of none of TCP, it says that nothing was set", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  (await listener.accept()).close();
  const { localAddr, remoteAddr } = client;
  client.close();
  assert.equal(setNoDelay({ localAddr, remoteAddr }), false);
  const unix = { transport: "unix", path: "/run/none" } as const;
  assert.equal(setNoDelay({ localAddr: unix, remoteAddr: unix }), false);
});
