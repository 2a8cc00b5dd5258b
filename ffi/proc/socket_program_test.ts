import assert from "node:assert/strict";
import { endsOf } from "../sockets/own_socket.ts";
import { type ConnectionEnds, SocketPrograms } from "./socket_program.ts";

/** A shell that connects to us and stays; both ends of our socket. */
async function client(listener: Deno.TcpListener) {
  const { port } = listener.addr;
  const process = new Deno.Command("bash", {
    args: ["-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; exec 4<&0; read -r <&4`],
    stdin: "piped",
  }).spawn();
  const conn = await listener.accept();
  const { local, remote } = endsOf(conn) ?? {};
  assert.ok(local && remote);
  const ends: ConnectionEnds = { local, remote };
  return {
    pid: process.pid,
    ends,
    async [Symbol.asyncDispose]() {
      conn.close();
      await process.stdin.close();
      await process.status;
    },
  };
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
