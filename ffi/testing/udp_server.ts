import dgram from "node:dgram";
import { once } from "node:events";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../../net/address.ts";

/** A UDP server on loopback that remembers what it has received. */
export interface UdpServer extends AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly received: Uint8Array[];
  /** The ports of those that it has received something from. */
  readonly callers: Set<number>;
}

/** Sends back what comes; only takes it where it is `silent`. */
export async function udpServer(
  { hostname = "127.0.0.1", port = 0, silent = false }: {
    readonly hostname?: string;
    readonly port?: number;
    readonly silent?: boolean;
  } = {},
): Promise<UdpServer> {
  const socket = dgram.createSocket(hostname.includes(":") ? "udp6" : "udp4");
  const received: Uint8Array[] = [];
  const callers = new Set<number>();
  socket.on("message", (payload, from) => {
    received.push(new Uint8Array(payload));
    callers.add(from.port);
    if (!silent) socket.send(payload, from.port, from.address);
  });
  socket.bind(port, hostname);
  await once(socket, "listening");
  const text = formatEndpoint(hostname, socket.address().port);
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new TypeError(`${text} is not a valid endpoint`);
  return {
    received,
    callers,
    endpoint,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}
