import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { parseAddress } from "../../net/address.ts";
import { endsOf } from "../sockets/own_socket.ts";
import { type ConnectionEnds, SocketPrograms } from "./socket_program.ts";

/** A shell that connects to us so many times and stays. */
async function clientOf(listener: Deno.TcpListener, connections: number) {
  const { port } = listener.addr;
  const connect = `for i in $(seq ${connections}); do exec {fd}<>/dev/tcp/127.0.0.1/${port}; done`;
  const process = new Deno.Command("bash", {
    args: ["-c", `exec 4<&0; ${connect}; read -r <&4`],
    stdin: "piped",
  }).spawn();
  const conns: Deno.TcpConn[] = [];
  while (conns.length < connections) conns.push(await listener.accept());
  return {
    pid: process.pid,
    /** Both ends of our sockets. */
    all: conns.map((conn): ConnectionEnds => {
      const { local, remote } = endsOf(conn) ?? {};
      assert.ok(local && remote);
      return { local, remote };
    }),
    async [Symbol.asyncDispose]() {
      for (const conn of conns) conn.close();
      await process.stdin.close();
      await process.status;
    },
  };
}

/** One that connects once. */
async function client(listener: Deno.TcpListener) {
  const shell = await clientOf(listener, 1);
  const [ends] = shell.all;
  assert.ok(ends);
  return Object.assign(shell, { ends });
}

Deno.test("the program at the far end of a connection is found, again and again", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using programs = new SocketPrograms(5_000);
  await using shell = await client(listener);
  for (let i = 0; i < 10; i++) {
    assert.deepEqual(programs.find(shell.ends), { pid: shell.pid, name: "bash" });
  }
});

Deno.test("the programs of many connections are found together, and those of no connection are not", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using programs = new SocketPrograms(5_000);
  await using one = await client(listener);
  await using two = await client(listener);
  const none = { local: one.ends.local, remote: { ...one.ends.remote, port: 1 } };
  assert.deepEqual(await programs.findAll([one.ends, none, two.ends]), [
    { pid: one.pid, name: "bash" },
    undefined,
    { pid: two.pid, name: "bash" },
  ]);
  assert.equal(programs.find(none), undefined);
  assert.deepEqual(await programs.findAll([]), []);
});

Deno.test("a connection whose far end is closed has no program any more", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using programs = new SocketPrograms(5_000);
  let ends: ConnectionEnds;
  {
    await using shell = await client(listener);
    ends = shell.ends;
  }
  assert.equal(programs.find(ends), undefined);
});

Deno.test("programs that were found before need no search, of which there are few", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using programs = new SocketPrograms(5_000);
  await using one = await client(listener);
  await using two = await client(listener);
  for (let i = 0; i < 50; i++) {
    for (const { ends, pid } of [one, two]) assert.equal(programs.find(ends)?.pid, pid);
  }
});

Deno.test("connections of one program that break together are found by one search", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using programs = new SocketPrograms(5_000);
  await using shell = await clientOf(listener, 100);
  for (const ends of shell.all) assert.equal(programs.find(ends)?.pid, shell.pid);
});

Deno.test("a search ends in time, whatever there is to look through, and too many are not made", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using programs = new SocketPrograms(0);
  await using shell = await clientOf(listener, 1);
  const [ends] = shell.all;
  assert.ok(ends);
  // With no time at all, each search looks at one descriptor.
  const found = Array.from({ length: 50 }, () => programs.find(ends)?.pid);
  assert.ok(found.every((pid) => pid === undefined || pid === shell.pid));
});

Deno.test("the program that a UDP socket belongs to is found", async () => {
  using programs = new SocketPrograms(5_000);
  await using socket = dgram.createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const address = parseAddress("127.0.0.1");
  assert.ok(address);
  const remote = { address, port: socket.address().port };
  const program = programs.find({ protocol: "udp", local: { address, port: 9 }, remote });
  assert.equal(program?.pid, Deno.pid);
});

Deno.test("a UDP socket is open until its program closes it", async () => {
  using programs = new SocketPrograms();
  const socket = dgram.createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const address = parseAddress("127.0.0.1");
  assert.ok(address);
  const ends = {
    protocol: "udp",
    local: { address, port: 9 },
    remote: { address, port: socket.address().port },
  } as const;
  const open = programs.socketOf(ends);
  assert.ok(open !== undefined && open !== "unknown");
  const uid = Deno.uid();
  assert.deepEqual([open.local.port, open.uid], [ends.remote.port, uid]);
  socket.close();
  await once(socket, "close");
  assert.equal(programs.socketOf(ends), undefined);
});

Deno.test("sockets that have a port one after the other are told apart by their cookies", async () => {
  using programs = new SocketPrograms();
  const address = parseAddress("127.0.0.1");
  assert.ok(address);
  const cookies: bigint[] = [];
  let port = 0;
  for (let i = 0; i < 2; i++) {
    const socket = dgram.createSocket("udp4");
    socket.bind(port, "127.0.0.1");
    await once(socket, "listening");
    port = socket.address().port;
    const found = programs.socketOf({
      protocol: "udp",
      local: { address, port: 9 },
      remote: { address, port },
    });
    if (found !== undefined && found !== "unknown") cookies.push(found.cookie);
    socket.close();
    await once(socket, "close");
  }
  assert.equal(new Set(cookies).size, 2);
});
