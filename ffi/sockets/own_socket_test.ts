import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { parseAddress } from "../../net/address.ts";
import { boundDescriptorOf, descriptorOf, endOf, endsOf, NoDescriptor } from "./own_socket.ts";
import { closeDescriptor, getOption, localEndpoint, tcpSocket } from "./socket.ts";
import { NoOpenFiles } from "../testing/open_files.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

async function connected(listener: Deno.TcpListener): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  const { hostname, port } = listener.addr;
  return await Promise.all([Deno.connect({ hostname, port }), listener.accept()]);
}

/** The descriptor of a connection, having seen that it is this one's: an option that Deno changes on it changes there. */
function foundOf(conn: Deno.TcpConn): number {
  const ends = endsOf(conn);
  const fd = ends && descriptorOf(ends);
  assert.ok(fd !== undefined, "it's found");
  for (const on of [true, false]) {
    conn.setNoDelay(on);
    assert.equal(getOption(fd, IPPROTO_TCP, TCP_NODELAY), Number(on), "it's another's");
  }
  return fd;
}

function notFound(type: "tcp" | "udp", hostname: string, port: number): void {
  assert.throws(() => boundDescriptorOf(type, hostname, port), NoDescriptor);
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`each end of a connection is found by both its ends, on ${hostname}`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    const [client, server] = await connected(listener);
    assert.notEqual(foundOf(client), foundOf(server));
    client.close();
    server.close();
  });

  Deno.test(`a listener and a UDP socket of the same port are told apart, on ${hostname}`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    notFound("udp", hostname, port);
    const udp = dgram.createSocket(hostname === "::1" ? "udp6" : "udp4");
    udp.bind(port, hostname);
    await once(udp, "listening");
    const [ofUdp, ofTcp] = [
      boundDescriptorOf("udp", hostname, port),
      boundDescriptorOf("tcp", hostname, port),
    ];
    assert.notEqual(ofUdp, ofTcp);
    for (const fd of [ofUdp, ofTcp]) assert.equal(localEndpoint(fd).port, port);
    assert.throws(() => getOption(ofUdp, IPPROTO_TCP, TCP_NODELAY));
    assert.equal(getOption(ofTcp, IPPROTO_TCP, TCP_NODELAY), 0);
    listener.close();
    notFound("tcp", hostname, port);
    assert.equal(boundDescriptorOf("udp", hostname, port), ofUdp);
    udp.close();
    await once(udp, "close");
    notFound("udp", hostname, port);
  });
}

Deno.test("connections that share an end, and their listener, aren't taken for each other", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const pairs = [];
  for (let i = 0; i < 20; i++) pairs.push(await connected(listener));
  const own = boundDescriptorOf("tcp", "127.0.0.1", port);
  const found = pairs.flatMap((pair) => pair.map(foundOf));
  assert.equal(new Set([own, ...found]).size, 41);
  listener.close();
  notFound("tcp", "127.0.0.1", port);
  for (const conn of pairs.flat()) conn.close();
});

Deno.test("an IPv4 connection of a listener of both families is found", async () => {
  using listener = Deno.listen({ hostname: "::", port: 0 });
  const { port } = listener.addr;
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  assert.equal(endOf(server.localAddr)?.address.text, "127.0.0.1");
  assert.notEqual(foundOf(client), foundOf(server));
  client.close();
  server.close();
});

Deno.test("what isn't there isn't found: another end, what is closed, what has no port", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, server] = await connected(listener);
  const ends = endsOf(client);
  assert.ok(ends?.remote);
  const [other, other6] = [parseAddress("127.0.0.2"), parseAddress("::1")];
  assert.ok(other && other6);
  const { local, remote } = ends;
  const { port } = local;
  assert.equal(descriptorOf({ ...ends, local: { address: other, port } }), undefined);
  assert.equal(descriptorOf({ ...ends, local: { address: other6, port } }), undefined);
  assert.equal(descriptorOf({ ...ends, remote: { ...remote, port: remote.port ^ 1 } }), undefined);
  assert.equal(descriptorOf({ ...ends, remote: { ...remote, address: other } }), undefined);
  assert.equal(descriptorOf({ ...ends, type: "udp" }), undefined);
  notFound("tcp", "127.0.0.1", port); // no listener
  notFound("tcp", "localhost", listener.addr.port); // no address
  assert.notEqual(descriptorOf(ends), undefined);
  client.close();
  assert.equal(descriptorOf(ends), undefined);
  server.close();
  const unix = { transport: "unix", path: "/run/none" } as const;
  assert.equal(endsOf({ localAddr: unix, remoteAddr: unix }), undefined);
  assert.equal(endOf(unix), undefined);
});

Deno.test("a socket that is bound to nothing is found by nobody", () => {
  const fd = tcpSocket(4);
  notFound("tcp", "0.0.0.0", 0);
  closeDescriptor(fd);
});

Deno.test("thousands of other descriptors don't hide a socket, below them or above", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const below = await connected(listener);
  const files = Array.from({ length: 5_000 }, () => Deno.openSync("/dev/null"));
  const above = await connected(listener);
  assert.ok(foundOf(above[0]) > 5_000);
  // In turn, so that each is sought from where the other was.
  for (let i = 0; i < 3; i++) for (const conn of [...below, ...above]) foundOf(conn);
  boundDescriptorOf("tcp", "127.0.0.1", listener.addr.port);
  for (const file of files) file.close();
  for (const conn of [...above, ...below]) foundOf(conn);
  for (const conn of [...below, ...above]) conn.close();
});

Deno.test("a process that is out of descriptors finds its sockets, and that one isn't there", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [first, server] = await connected(listener);
  const files = Array.from({ length: 200 }, () => Deno.openSync("/dev/null")); // so that it isn't near
  const [last, other] = await connected(listener);
  {
    using _none = new NoOpenFiles();
    for (const conn of [last, first, other, server]) foundOf(conn);
    notFound("tcp", "127.0.0.1", 1);
  }
  for (const each of [...files, first, server, last, other]) each.close();
});
