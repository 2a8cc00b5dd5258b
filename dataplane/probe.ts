import { formatEndpoint } from "../net/address.ts";
import { outcomeOfError } from "./outcome.ts";
import type { Destination, Probe } from "./protocol.ts";
import { answeredStream, connectStream } from "./tunnel/connect_stream.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";

/**
 * Opens a stream to a destination as captured programs' traffic does, and closes it once it is connected: with UDP, once the gateway
 * has a socket for it.
 */
export async function probe(
  { protocol, cluster, address, port }: Destination,
  tunnel: (cluster: string) => Pick<Tunnel, "open" | "openUdp">,
): Promise<Probe> {
  const started = performance.now();
  const ms = () => performance.now() - started;
  try {
    const to = formatEndpoint(address, port);
    const stream = protocol === "udp"
      ? await answeredStream(tunnel(cluster).openUdp(to))
      : await connectStream(tunnel(cluster), to);
    stream.close();
    return { outcome: { kind: "done" }, ms: ms() };
  } catch (error) {
    return { outcome: outcomeOfError(error), ms: ms() };
  }
}
