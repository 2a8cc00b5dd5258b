// The near end of our tunnel, as the daemon's data worker has it: adopted listeners, its own tunnel, the relay. Only
// what it dials differs: a TCP connection on loopback for the port-forward. Its arguments are the gateway's port and the
// ports to reach; the ports where it listens are what it prints.
import { Tunnel } from "../../../daemon/data/tunnel.ts";
import { adoptListener, type SocketTransport } from "../../../ffi/adopt.ts";
import { tcpListener } from "../../../ffi/socket.ts";
import { relay } from "../../../hbone/mod.ts";
import { held } from "./held.ts";

/** What the gateway takes for a Service's address; never dialled. */
const SERVICE = "10.96.0.1";

const [gateway, ...targets] = Deno.args;
const tunnel = new Tunnel(async (signal) => {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: Number(gateway), signal });
  socket.setNoDelay();
  return socket;
}, { connected() {}, connecting() {} });

const listeners = targets.map((target) =>
  adoptListener(tcpListener({ address: "127.0.0.1" }), (socket) => captured(socket, target))
);
const ports = listeners.map(({ address }) => address.port);
void held();
await Deno.stdout.write(new TextEncoder().encode(`ready ${ports.join(" ")}\n`));

async function captured(socket: SocketTransport, target: string): Promise<void> {
  try {
    await relay(socket, await tunnel.open(`${SERVICE}:${target}`));
  } catch (error) {
    socket.abort(error instanceof Error ? error : undefined);
  }
}
