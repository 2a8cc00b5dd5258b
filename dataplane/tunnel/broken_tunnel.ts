import { ConnectionClosed, ConnectionError, PeerSilent, StreamReset } from "../../hbone/mod.ts";
import { PortForwardError } from "../../kube/port_forward/port_forward.ts";
import { NoTunnel } from "./no_tunnel.ts";

/** Causes of causes that are looked at. */
const DEEPEST = 8;

/**
 * What broke between this laptop and the cluster, in words for users. The protocol's own words are in the daemon's log, which
 * has a line for each connection of a tunnel that ends.
 * @param peer the pod at the tunnel's other end
 */
export function brokenTunnel(error: Error, peer: "gateway" | "node agent"): string {
  const causes = [...causesOf(error)];
  const disconnected = causes.find((cause) => cause instanceof NoTunnel);
  if (disconnected) return disconnected.message;
  if (error instanceof StreamReset) {
    return error.by === "us" ? "pmz broke the connection off" : `the ${peer} broke the connection off`;
  }
  if (causes.some((cause) => cause instanceof PeerSilent)) {
    return `the ${peer} didn't answer in time: the network may have changed, or its pod is gone`;
  }
  if (causes.some((cause) => cause instanceof PortForwardError)) {
    return `the connection to the API server broke, which leads to the ${peer}`;
  }
  if (causes.some((cause) => cause instanceof ConnectionError)) {
    return `pmz and the ${peer} don't understand each other: are they of the same release?`;
  }
  if (error instanceof ConnectionClosed && error.cause === undefined) {
    return `the ${peer}'s pod ended, or the API server closed the connection to it`;
  }
  return `the connection to the ${peer} broke`;
}

function* causesOf(error: unknown): Generator<Error> {
  for (let depth = 0; depth < DEEPEST && error instanceof Error; depth++, error = error.cause) yield error;
}
