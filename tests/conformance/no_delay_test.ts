/**
 * No connection to the API server lets a small write wait for the acknowledgement of the one before (Nagle's algorithm and
 * delayed acknowledgements together cost 40 ms). Seen by the socket's option, not by a clock.
 */
import assert from "node:assert/strict";
import { setNoDelay } from "../../ffi/sockets/no_delay.ts";
import { getOption, localEndpoint } from "../../ffi/sockets/socket.ts";
import type { ApiServerAccess } from "../../kube/client/access.ts";
import { dial, type Prepare } from "../../kube/client/dial.ts";
import { type Certificates, certificates } from "../../kube/testing/certificates.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

/** TCP_NODELAY of this process's sockets that are connected to a port of 127.0.0.1: the dialled ones. */
function options(ownPorts: readonly number[]): number[] {
  return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      if (!ownPorts.includes(localEndpoint(Number(name)).port)) return [];
      return [getOption(Number(name), IPPROTO_TCP, TCP_NODELAY)];
    } catch {
      return []; // no socket
    }
  });
}

/** Dials a TLS server once; the option of the client's socket. */
async function dialled(made: Certificates, changes: Partial<ApiServerAccess>, prepare?: Prepare) {
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: made.cert, key: made.key });
  const access = {
    tls: true,
    hostname: "127.0.0.1",
    port: listener.addr.port,
    pathPrefix: "",
    caCerts: [made.ca],
    headers: {},
    ...changes,
  };
  const accepting = listener.accept().then(async (conn) => {
    await conn.handshake();
    return conn;
  });
  const connection = await dial(access, undefined, prepare);
  using server = await accepting;
  try {
    return options([(server.remoteAddr as Deno.NetAddr).port]);
  } finally {
    connection.close();
  }
}

Deno.test("small writes to the API server never wait for an acknowledgement, however it is dialled", async (test) => {
  using made = await certificates();
  const { cert, key } = made;
  await test.step("with a token", async () => assert.deepEqual(await dialled(made, {}), [1]));
  await test.step("with the certificate unchecked", async () => {
    assert.deepEqual(await dialled(made, { insecure: true }), [1]);
  });
  await test.step("with a client certificate", async () => {
    // What makes it necessary, and what it does.
    assert.deepEqual(await dialled(made, { cert, key }), [0]);
    assert.deepEqual(await dialled(made, { cert, key }, (connection) => void setNoDelay(connection)), [1]);
  });
});
