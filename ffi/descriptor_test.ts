import assert from "node:assert/strict";
import { factsOf, netnsOf, socketFactsOf } from "./descriptor.ts";
import { AF_INET, AF_INET6, cstring, libc, must, SOCK_STREAM, SystemCallError } from "./libc.ts";
import { closeDescriptor, tcpListener, tcpSocket } from "./sockets/socket.ts";
import { inNewNetns, isRoot } from "./testing/netns.ts";

Deno.test("a descriptor's facts are the kernel's", () => {
  const folder = must("open", libc.open(cstring("/"), 0, 0));
  assert.equal(factsOf(folder).kind, "folder");
  assert.equal(factsOf(folder).uid, 0);
  closeDescriptor(folder);
  assert.throws(() => factsOf(folder), (error) => error instanceof SystemCallError && error.errno === 9);
});

Deno.test("a socket is told from one that listens, and its family from the other", () => {
  const listener = tcpListener({ address: "127.0.0.1" });
  const socket = tcpSocket(6);
  assert.deepEqual(factsOf(listener).kind, "socket");
  assert.equal(factsOf(listener).uid, Deno.uid());
  assert.deepEqual(socketFactsOf(listener), {
    domain: AF_INET,
    type: SOCK_STREAM,
    protocol: 6,
    listens: true,
  });
  assert.deepEqual(socketFactsOf(socket), {
    domain: AF_INET6,
    type: SOCK_STREAM,
    protocol: 6,
    listens: false,
  });
  for (const fd of [listener, socket]) closeDescriptor(fd);
});

Deno.test(
  { name: "a socket's network namespace is the one it was made in (needs root)", ignore: !isRoot },
  () => {
    const here = tcpSocket(4);
    const [there, inode] = inNewNetns(() =>
      [tcpSocket(4), Deno.statSync("/proc/thread-self/ns/net").ino] as const
    );
    assert.equal(netnsOf(here), BigInt(Deno.statSync("/proc/thread-self/ns/net").ino ?? 0));
    assert.equal(netnsOf(there), BigInt(inode ?? 0));
    assert.notEqual(netnsOf(there), netnsOf(here));
    for (const fd of [here, there]) closeDescriptor(fd);
  },
);
