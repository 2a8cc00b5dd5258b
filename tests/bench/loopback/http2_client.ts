// The near end of a tunnel of node:http2: a CONNECT for each connection. Its arguments are the server's port and the
// ports to reach; the ports where it listens are what it prints.
import { once } from "node:events";
import { connect } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "./http2_join.ts";
import { held } from "./held.ts";

const [server, ...targets] = Deno.args;
const session = connect(`http://127.0.0.1:${server}`, { settings: { initialWindowSize: 1 << 20 } });
await once(session, "connect");
session.setLocalWindowSize(1 << 24);

const ports = await Promise.all(targets.map(async (target) => {
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => serve(socket, target));
  listener.listen({ host: "127.0.0.1", port: 0, backlog: 1024 });
  await once(listener, "listening");
  return (listener.address() as AddressInfo).port;
}));
void held();
Deno.stdout.writeSync(new TextEncoder().encode(`ready ${ports.join(" ")}\n`));

function serve(socket: Socket, target: string): void {
  const stream = session.request({ ":method": "CONNECT", ":authority": `127.0.0.1:${target}` }, {
    endStream: false,
  });
  join(stream, socket);
}
