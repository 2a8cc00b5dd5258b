// deno-lint-ignore-file no-console -- standard output is how it answers
/** A program of node:http, which closes idle connections after 5 s, and of ws, which says who answers. */
import { createRequire } from "node:module";
import { createServer } from "node:http";
const { WebSocketServer } = createRequire("/clients.js")("ws");

const server = createServer((request, answer) => {
  request.resume().on("end", () => answer.end('{"pod":"node"}'));
});
new WebSocketServer({ server }).on("connection", (socket) => {
  socket.on("message", (message, isBinary) => socket.send(isBinary ? message : `node: ${message}`));
});
server.listen(8082, "127.0.0.1", () => console.log("ready", server.keepAliveTimeout));
