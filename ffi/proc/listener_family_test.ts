import assert from "node:assert/strict";
import { endsOf } from "../sockets/own_socket.ts";
import { ListenerFamilies } from "./listener_family.ts";
import type { ConnectionEnds } from "./socket_program.ts";

/** A program that listens, and that connects to us by itself, by a child, and by a child with a session of its own. */
const PROGRAM = `
import os, socket, subprocess, sys
port = sys.argv[1]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
own = socket.create_connection(("127.0.0.1", port))
own.sendall(b"own.....")
child = 'import socket,sys; s=socket.create_connection(("127.0.0.1",int(sys.argv[1]))); s.sendall(sys.argv[2].encode()); sys.stdin.read()'
subprocess.Popen([sys.executable, "-c", child, port, "child..."], stdin=sys.stdin)
subprocess.Popen([sys.executable, "-c", child, port, "terminal"], stdin=sys.stdin, start_new_session=True)
sys.stdin.read()
`;

/** Connections by who made them, and where the program listens. */
async function program() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const process = new Deno.Command("python3", {
    args: ["-c", PROGRAM, String(listener.addr.port)],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const stranger = await Deno.connect({ port: listener.addr.port });
  await stranger.write(new TextEncoder().encode("stranger"));
  const conns: Deno.TcpConn[] = [];
  const ends = new Map<string, ConnectionEnds>();
  while (conns.length < 4) {
    const conn = await listener.accept();
    conns.push(conn);
    const name = new Uint8Array(8);
    for (let at = 0; at < 8;) at += await conn.read(name.subarray(at)) ?? assert.fail();
    const { local, remote } = endsOf(conn) ?? {};
    assert.ok(local && remote);
    ends.set(new TextDecoder().decode(name), { local, remote });
  }
  const reader = process.stdout.getReader();
  const { value } = await reader.read();
  const port = Number(new TextDecoder().decode(value));
  return {
    place: { addresses: ["127.0.0.1", "::1"], port },
    from: (name: string) => ends.get(name) ?? assert.fail(name),
    async [Symbol.asyncDispose]() {
      for (const conn of [stranger, ...conns]) conn.close();
      listener.close();
      await process.stdin.close();
      await reader.cancel();
      await process.status;
    },
  };
}

Deno.test("a program that listens, and what it has started, are told from others", async () => {
  await using of = await program();
  using families = new ListenerFamilies();
  const asked = ["own.....", "child...", "terminal", "stranger"];
  const answers = await Promise.all(asked.map((name) => families.isFrom(of.from(name), of.place)));
  assert.deepEqual(answers, [true, true, false, false]);
  assert.equal(await families.isFrom(of.from("child..."), of.place), true, "asked again");
});

Deno.test("another machine's address, and a port without a listener, have no family here", async () => {
  await using of = await program();
  using families = new ListenerFamilies();
  const own = of.from("own.....");
  assert.equal(await families.isFrom(own, { ...of.place, addresses: ["192.0.2.1"] }), false);
  assert.equal(await families.isFrom(own, { ...of.place, port: 1 }), false);
});
