#!/bin/sh
# Deno 2.9.6 and Node 22.14.0: node:dgram's connected UDP socket never hears in Deno that nothing listens at the other end.
#
# Seen: a socket that is connected to a port of loopback that was just closed, and three datagrams. Linux answers each with an ICMP "port
# unreachable" and puts ECONNREFUSED onto the socket (udp(7): connected sockets get all errors). Node emits "error" with ECONNREFUSED for
# each; Deno emits nothing, and calls back as if all went well. So a resolver or a proxy on Deno waits for its timeout where it could go
# on at once.
# Expected: the error, as Node's documentation of socket.connect has it, and as Node does.
# Way round: getsockopt(2) SO_ERROR by FFI after a send.
#
# Needs npm and a Linux that both packages have a binary for. Fails when the behaviour changes.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-save deno@2.9.6 node@22.14.0 >/dev/null

cat >try.mjs <<'TRY'
import dgram from "node:dgram";
import process from "node:process";

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const before = dgram.createSocket("udp4");
await new Promise((resolve) => before.bind(0, "127.0.0.1", resolve));
const { port } = before.address();
await new Promise((resolve) => before.close(resolve));

const socket = dgram.createSocket("udp4");
let refused = 0;
socket.on("error", (error) => error.code === "ECONNREFUSED" && refused++);
await new Promise((resolve) => socket.connect(port, "127.0.0.1", resolve));
for (let i = 0; i < 3; i++) {
  await new Promise((resolve) => socket.send("x", (error) => resolve(error?.code === "ECONNREFUSED" && refused++)));
  await wait(200);
}
console.log(`${process.versions.deno ? `Deno ${process.versions.deno}` : `Node ${process.versions.node}`}: refused ${refused > 0}`);
socket.close();
TRY

node_modules/.bin/node try.mjs | tee node.out
node_modules/.bin/deno run --quiet --allow-all try.mjs | tee deno.out
grep -q "refused true" node.out || { echo "changed: Node reports nothing" >&2; exit 1; }
grep -q "refused false" deno.out || { echo "changed: Deno reports the error" >&2; exit 1; }
