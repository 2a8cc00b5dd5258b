import type { AbortableTransport } from "../../net/transport.ts";
import { type ApiServerAccess, hostOf } from "../client/access.ts";
import { channelPortForward } from "./channels.ts";
import type { PortForward, PortForwardTarget } from "./port_forward.ts";
import { NotOffered } from "./spdy/not_offered.ts";
import { spdyPortForward } from "./spdy/port_forward.ts";

/** Opens a port of a pod. A refusal by the pod is only known later: the first `read` rejects then. */
export type Forward = (access: ApiServerAccess, target: PortForwardTarget) => Promise<AbortableTransport>;

/** Milliseconds for which a server counts as one without SPDY. Not for ever: clusters are upgraded while daemons run. */
const REMEMBERED = 10 * 60_000;

/**
 * Makes port-forwards for whole tunnels, whose uploads are cheaper by SPDY: by SPDY within a WebSocket when the server has it, otherwise by
 * WebSocket channels. It remembers for a while which servers don't have SPDY.
 *
 * @returns a function that throws as {@linkcode channelPortForward} does.
 */
export function portForwarder(
  now: () => number = () => performance.now(),
): (access: ApiServerAccess, target: PortForwardTarget) => Promise<PortForward> {
  /** Servers without SPDY, and until when they count as such. */
  const without = new Map<string, number>();
  return async function forward(access, target) {
    const server = hostOf(access) + access.pathPrefix;
    if (now() < (without.get(server) ?? 0)) return await channelPortForward(access, target);
    try {
      return await spdyPortForward(access, target);
    } catch (error) {
      if (!(error instanceof NotOffered)) throw error;
    }
    // If the protocol wasn't the reason, this fails too, and its error says why.
    const forwarded = await channelPortForward(access, target);
    without.set(server, now() + REMEMBERED);
    return forwarded;
  };
}
