import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { parseAddress } from "../../net/address.ts";
import { boundDescriptorOf } from "../sockets/own_socket.ts";
import { startConnect } from "../sockets/socket.ts";
import { type DiagSocket, SockDiag } from "./sock_diag.ts";

async function connected(hostname: string) {
  const listener = Deno.listen({ hostname, port: 0 });
  const port = listener.addr.port;
  const client = await Deno.connect({ hostname, port });
  const server = await listener.accept();
  const end = (address: Deno.NetAddr) => {
    const parsed = parseAddress(address.hostname);
    if (!parsed) throw new Error(`${address.hostname} is no address`);
    return { address: parsed, port: address.port };
  };
  return {
    client,
    server,
    port,
    clientEnd: end(client.localAddr as Deno.NetAddr),
    serverEnd: end(client.remoteAddr as Deno.NetAddr),
    [Symbol.dispose]() {
      for (const each of [client, server, listener]) {
        try {
          each.close();
        } catch {
          // Closed by the kernel.
        }
      }
    },
  };
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`a connection is found by its two ends, with its owner and inode (${hostname})`, async () => {
    using pair = await connected(hostname);
    using diag = new SockDiag();
    const found = diag.connection(pair.clientEnd, pair.serverEnd);
    assert.equal(found?.uid, Deno.uid());
    assert.equal(found?.local.port, pair.clientEnd.port);
    assert.equal(found?.remote.address.text, hostname);
    const links = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`);
      } catch {
        return "";
      }
    });
    assert.equal(links.includes(`socket:[${found?.inode}]`), true);
    const elsewhere = { ...pair.serverEnd, port: pair.serverEnd.port ^ 1 };
    assert.equal(diag.connection(pair.clientEnd, elsewhere), undefined);
  });

  Deno.test(`connections to a port are closed by the kernel, and no others (${hostname})`, async () => {
    using pair = await connected(hostname);
    using other = await connected(hostname);
    using diag = new SockDiag();
    const found = diag.connectionsTo(pair.port);
    assert.deepEqual(found.map(({ local, remote }) => [local.port, remote.port]), [[
      pair.port,
      pair.clientEnd.port,
    ]]);
    assert.equal(diag.destroy(found), 1);
    await assert.rejects(pair.client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    assert.equal(diag.destroy(found), 0);
    await other.server.write(new Uint8Array(1));
    assert.equal(await other.client.read(new Uint8Array(1)), 1);
  });
}

Deno.test("a listener isn't taken for the connection that doesn't exist", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using diag = new SockDiag();
  const address = parseAddress("127.0.0.1");
  if (!address) throw new Error("unreachable");
  assert.equal(diag.connection({ address, port: listener.addr.port }, { address, port: 1 }), undefined);
});

Deno.test("more sockets than one answer holds are all told", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using diag = new SockDiag();
  const open: Deno.TcpConn[] = [];
  try {
    for (let i = 0; i < 300; i++) {
      open.push(await Deno.connect({ port: listener.addr.port }), await listener.accept());
    }
    const found = diag.connectionsTo(listener.addr.port);
    assert.equal(new Set(found.map(({ remote }) => remote.port)).size, 300);
  } finally {
    for (const conn of open) conn.close();
  }
});

Deno.test("a limit counts the connections that are wanted, however many others there are", async () => {
  using stack = new DisposableStack();
  const others = await Promise.all(Array.from({ length: 5 }, () => connected("127.0.0.1")));
  for (const pair of others) stack.use(pair);
  const pair = stack.use(await connected("127.0.0.1"));
  using diag = new SockDiag(2);
  const found = diag.connectionsTo(0, ({ local }) => local.port === pair.clientEnd.port);
  assert.deepEqual(found.map(({ local }) => local.port), [pair.clientEnd.port]);
});

Deno.test(
  { name: "more connections than a list has are closed all (needs root)", ignore: Deno.uid() !== 0 },
  async () => {
    using stack = new DisposableStack();
    const pairs = await Promise.all(Array.from({ length: 7 }, () => connected("127.0.0.1")));
    for (const pair of pairs) stack.use(pair);
    const ports = new Set(pairs.map(({ clientEnd }) => clientEnd.port));
    const isWanted = ({ local }: DiagSocket) => ports.has(local.port);
    using diag = new SockDiag(2);
    diag.destroyAll(isWanted);
    assert.deepEqual(diag.connectionsTo(0, isWanted), []);
  },
);

for (const hostname of ["127.0.0.1", "::1"]) {
  for (const how of ["connected", "unconnected"] as const) {
    Deno.test(`the UDP socket that a datagram would come to is found (${hostname}, ${how})`, async () => {
      using diag = new SockDiag();
      await using socket = dgram.createSocket(hostname.includes(":") ? "udp6" : "udp4");
      socket.bind(0, hostname);
      await once(socket, "listening");
      const address = parseAddress(hostname);
      assert.ok(address);
      const { port } = socket.address();
      const fd = boundDescriptorOf("udp", hostname, port);
      const server = { address, port: 9 };
      if (how === "connected") startConnect(fd, server);
      const found = diag.udpReceiver({ address, port }, server);
      assert.equal(found?.uid, Deno.uid());
      assert.equal(Deno.readLinkSync(`/proc/self/fd/${fd}`), `socket:[${found?.inode}]`);
      assert.equal(diag.udpReceiver({ address, port: port ^ 1 }, server), undefined);
      if (how === "connected") {
        assert.equal(diag.udpReceiver({ address, port }, { address, port: 10 }), undefined);
      }
    });
  }
}
