import { formatEndpoint } from "../net/address.ts";
import { outcomeOfError } from "./outcome.ts";
import type { Destination, Probe } from "./protocol.ts";
import { connectStream } from "./tunnel/connect_stream.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";

/** Opens a stream to a destination as a captured connection does, and closes it once it is connected. */
export async function probe(
  { cluster, address, port }: Destination,
  tunnel: (cluster: string) => Pick<Tunnel, "open">,
): Promise<Probe> {
  const started = performance.now();
  const ms = () => performance.now() - started;
  try {
    const stream = await connectStream(tunnel(cluster), formatEndpoint(address, port));
    stream.close();
    return { outcome: { kind: "done" }, ms: ms() };
  } catch (error) {
    return { outcome: outcomeOfError(error), ms: ms() };
  }
}
