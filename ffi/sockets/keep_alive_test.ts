import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { probeAccepted, probeSilentConnections } from "./keep_alive.ts";
import { boundDescriptorOf, descriptorOf, endsOf } from "./own_socket.ts";
import { getOption } from "./socket.ts";

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;

async function connected(hostname: string): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname, port: 0 });
  return await Promise.all([Deno.connect({ hostname, port: listener.addr.port }), listener.accept()]);
}

/** Seconds until a connection is probed; undefined where it never is. */
function probedAfter(conn: Deno.TcpConn): number | undefined {
  const ends = endsOf(conn);
  const fd = ends && descriptorOf(ends);
  assert.ok(fd !== undefined);
  return getOption(fd, SOL_SOCKET, SO_KEEPALIVE) ? getOption(fd, IPPROTO_TCP, TCP_KEEPIDLE) : undefined;
}

Deno.test("all connections are probed after that time, those that are opened later from the next call on", async () => {
  const first = [...await connected("127.0.0.1"), ...await connected("::1")];
  assert.deepEqual(first.map(probedAfter), [undefined, undefined, undefined, undefined]);
  probeSilentConnections(60);
  assert.deepEqual(first.map(probedAfter), [60, 60, 60, 60]);
  const later = await connected("127.0.0.1");
  assert.deepEqual(later.map(probedAfter), [undefined, undefined]);
  probeSilentConnections(60);
  assert.deepEqual([...first, ...later].map(probedAfter), Array(6).fill(60));
  probeSilentConnections(45);
  assert.deepEqual([...first, ...later].map(probedAfter), Array(6).fill(45));
  for (const conn of [...first, ...later]) conn.close();
});

Deno.test("a listener's connections are probed from the time on that they are accepted", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  probeAccepted(boundDescriptorOf("tcp", "127.0.0.1", listener.addr.port), 60);
  const [client, accepted] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  assert.deepEqual([client, accepted].map(probedAfter), [undefined, 60]);
  client.close();
  accepted.close();
});

Deno.test("UDP sockets, unix sockets and files are left alone", async () => {
  const folder = Deno.makeTempDirSync();
  using file = Deno.openSync(`${folder}/file`, { create: true, write: true, read: true });
  using listener = Deno.listen({ transport: "unix", path: `${folder}/socket` });
  using client = await Deno.connect({ transport: "unix", path: `${folder}/socket` });
  using server = await listener.accept();
  const udp = dgram.createSocket("udp4");
  udp.bind(0, "127.0.0.1");
  await once(udp, "listening");
  const { port } = udp.address();
  const fd = boundDescriptorOf("udp", "127.0.0.1", port);
  probeSilentConnections(60);
  assert.equal(getOption(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
  const came = once(udp, "message");
  udp.send("still here", port, "127.0.0.1");
  assert.equal(String((await came)[0]), "still here");
  await client.write(new Uint8Array(3));
  assert.equal(await server.read(new Uint8Array(9)), 3);
  file.writeSync(new Uint8Array(5));
  assert.equal(file.statSync().size, 5);
  udp.close();
  await once(udp, "close");
  Deno.removeSync(folder, { recursive: true });
});
