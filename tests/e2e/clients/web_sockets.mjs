// deno-lint-ignore-file no-console -- standard output is how it answers
/** WebSockets of the package ws, text and 1 MiB of bytes, with X-Ws: alice and without. */
import { createRequire } from "node:module";
const WebSocket = createRequire("/clients.js")("ws");

for (const user of ["alice", "nobody"]) {
  const socket = new WebSocket(process.argv[1], { headers: { "x-ws": user } });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const next = () => new Promise((resolve) => socket.once("message", (data) => resolve(data)));
  socket.send("hello");
  console.log(user, String(await next()));
  const bytes = Buffer.alloc(1 << 20, 7);
  socket.send(bytes);
  console.log(user, bytes.equals(await next()) ? "bytes" : "other bytes");
  socket.close();
  await new Promise((resolve) => socket.once("close", resolve));
}
