// The near end of our tunnel, as the daemon's data worker has it: its listeners, its own tunnel, the relay. Only
// what it dials differs: a TCP connection on loopback for the port-forward. Its arguments are the gateway's port and the
// ports to reach; the ports where it listens are what it prints.
import { Tunnel } from "../../../dataplane/tunnel/tunnel.ts";
import type { TcpConnection } from "../../../ffi/sockets/tcp_connection.ts";
import { TcpListener } from "../../../ffi/sockets/tcp_listener.ts";
import { relay } from "../../../hbone/mod.ts";
import { held } from "./held.ts";

/** What the gateway takes for a Service's address; never dialled. */
const SERVICE = "10.96.0.1";

const [gateway, ...targets] = Deno.args;
const tunnel = new Tunnel(async (signal) => {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: Number(gateway), signal });
  socket.setNoDelay();
  return socket;
}, { connected() {}, connecting() {}, ended() {} });

const ports = targets.map((target) =>
  new TcpListener("127.0.0.1", (connection) => captured(connection, target)).port
);
void held();
await Deno.stdout.write(new TextEncoder().encode(`ready ${ports.join(" ")}\n`));

async function captured(connection: TcpConnection, target: string): Promise<void> {
  try {
    await relay(connection, await tunnel.open(`${SERVICE}:${target}`));
  } catch {
    connection.abort();
  }
}
