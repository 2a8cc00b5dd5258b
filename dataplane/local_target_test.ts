import assert from "node:assert/strict";
import { closeDescriptor, localEndpoint, tcpListener } from "../ffi/sockets/socket.ts";
import { dialLocal, LocalRefusal } from "./local_target.ts";

const refusal = (kind: string) => (error: unknown) => error instanceof LocalRefusal && error.kind === kind;

Deno.test("where nothing listens, a connection is refused", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  await assert.rejects(dialLocal("127.0.0.1", listener.addr.port), refusal("connection_refused"));
});

Deno.test("localhost is whichever loopback address the program listens on", async () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    using listener = Deno.listen({ hostname, port: 0 });
    const socket = await dialLocal("localhost", listener.addr.port);
    (await listener.accept()).close();
    socket.close();
  }
});

Deno.test("a program that takes no connection is given up in time", async () => {
  const fd = tcpListener({ address: "127.0.0.1", backlog: 0 });
  const { port } = localEndpoint(fd);
  const waiting = await dialLocal("127.0.0.1", port); // all that fits
  await assert.rejects(dialLocal("127.0.0.1", port, 50), refusal("connection_timeout"));
  waiting.close();
  closeDescriptor(fd);
});

Deno.test("a text that is not a host name leads nowhere", async () => {
  await assert.rejects(dialLocal("no name", 80), refusal("destination_ip_unroutable"));
});
