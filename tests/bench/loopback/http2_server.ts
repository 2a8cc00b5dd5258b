// The far end of a tunnel of node:http2: answers CONNECT, and dials what it names on loopback. Prints where it listens.
import { createServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { join } from "./http2_join.ts";
import { held } from "./held.ts";

const server = createServer({ settings: { initialWindowSize: 1 << 20, maxConcurrentStreams: 16_384 } });
server.on("session", (session) => {
  session.setLocalWindowSize(1 << 24);
  session.on("error", () => {});
});
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  const port = Number(headers[":authority"]?.split(":")[1]);
  const socket = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
  stream.respond({ ":status": 200 });
  join(stream, socket);
});
void held();
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  Deno.stdout.writeSync(new TextEncoder().encode(`ready ${port}\n`));
});
