import type { AbortableTransport } from "../../net/transport.ts";
import { type ApiServerAccess, hostOf } from "../client/access.ts";
import { channelPortForward } from "./channels.ts";
import type { PortForward, PortForwardTarget } from "./port_forward.ts";
import { NotOffered } from "./spdy/not_offered.ts";
import { spdyPortForward } from "./spdy/port_forward.ts";

/** Opens a port of a pod. That the pod refuses it is only known later: the first `read` rejects then. */
export type Forward = (access: ApiServerAccess, target: PortForwardTarget) => Promise<AbortableTransport>;

/** Milliseconds for which a server isn't asked again for what it didn't offer: clusters are upgraded under running daemons. */
const REMEMBERED = 10 * 60_000;

/**
 * Port-forwards that are a whole tunnel, uploads among it, by the protocol that suits this: SPDY within a WebSocket where the server
 * has it, WebSocket channels where it doesn't. What each server has is remembered, for a while.
 *
 * @returns a function that throws as {@linkcode channelPortForward} does.
 */
export function portForwarder(
  now: () => number = () => performance.now(),
): (access: ApiServerAccess, target: PortForwardTarget) => Promise<PortForward> {
  /** Servers that don't offer it, and until when that is believed. */
  const without = new Map<string, number>();
  return async function forward(access, target) {
    const server = hostOf(access) + access.pathPrefix;
    if (now() < (without.get(server) ?? 0)) return await channelPortForward(access, target);
    try {
      return await spdyPortForward(access, target);
    } catch (error) {
      if (!(error instanceof NotOffered)) throw error;
    }
    // Where it wasn't the protocol's fault, this fails too, and says why.
    const forwarded = await channelPortForward(access, target);
    without.set(server, now() + REMEMBERED);
    return forwarded;
  };
}
