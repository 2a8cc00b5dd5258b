import { setNoDelay } from "../../ffi/sockets/no_delay.ts";
import { shutDown } from "../../ffi/sockets/shut_down.ts";
import { wakeLevelOf } from "../../ffi/sockets/wake_level.ts";
import { hostOf } from "../../kube/client/access.ts";
import type { Prepared } from "../../kube/client/dial.ts";
import { type Forward, portForwarder } from "../../kube/port_forward/forward.ts";
import { channelPortForward } from "../../kube/port_forward/channels.ts";
import { PortForwardError } from "../../kube/port_forward/port_forward.ts";
import { NotOffered } from "../../kube/port_forward/spdy/not_offered.ts";
import { spdyPortForward } from "../../kube/port_forward/spdy/port_forward.ts";
import type { Transport } from "../../net/transport.ts";
import { dialLanes, LanesLate, NotJoined } from "./lanes.ts";
import type { AgentPlace } from "../protocol.ts";

/** Dials an agent's port; the signal ends the dial, and later the transport. */
export type DialAgent = (place: AgentPlace, signal: AbortSignal) => Promise<Transport>;

/**
 * Milliseconds for both lanes to be there and joined: first, and after an attempt that took longer. An attempt may hang where the next
 * one doesn't (an API server or kubelet that has just started), and a laptop a second away needs more than the first.
 */
const LANES_MS = [5_000, 15_000] as const;
/** Milliseconds for which lanes aren't tried again where there were none: clusters and agents are upgraded under running daemons. */
const REMEMBERED_MS = 10 * 60_000;

/** How port-forwards are opened: for each lane what is cheap there, and where there are no lanes. */
export interface Forwards {
  readonly main: Forward;
  readonly bulk: Forward;
  readonly single: Forward;
}

/**
 * Dials agents' pods through the API server: by two lanes where the agent takes them and the server has both protocols, else by one
 * port-forward. WebSocket channels cost a cluster less for what comes down and for small messages, SPDY for uploads.
 */
export function agentDialler(
  forwards: Forwards = { main: channelPortForward, bulk: spdyPortForward, single: portForwarder() },
  now: () => number = () => performance.now(),
  lanesMs: readonly [first: number, again: number] = LANES_MS,
): DialAgent {
  /** Pods without lanes, and until when that is believed. */
  const without = new Map<string, number>();
  /** Pods whose lanes were late at the last attempt. */
  const late = new Set<string>();
  return async ({ access, namespace, pod, port, lanes }, signal) => {
    const place = `${hostOf(access)}${access.pathPrefix} ${namespace} ${pod}`;
    const target = { namespace, pod, prepare };
    const single = () => forwards.single(access, { ...target, port, signal });
    if (lanes !== undefined && now() >= (without.get(place) ?? 0)) {
      try {
        const transport = await dialLanes(
          (lane, signal) => forwards[lane](access, { ...target, port: lanes, signal }),
          signal,
          lanesMs[late.has(place) ? 1 : 0],
        );
        late.delete(place);
        return transport;
      } catch (error) {
        // The first time they're late, they're dialled again.
        const again = error instanceof LanesLate && !late.has(place);
        if (error instanceof LanesLate) late.add(place);
        if (again || !isWithoutLanes(error)) throw error;
      }
      // Where it wasn't for want of lanes (the API server restarts), this fails too, and they're tried again.
      const forwarded = await single();
      without.set(place, now() + REMEMBERED_MS);
      return forwarded;
    }
    return await single();
  };
}

function prepare(connection: Deno.TlsConn): Prepared {
  setNoDelay(connection);
  return { wakeAt: wakeLevelOf(connection), shutDown: () => shutDown(connection) };
}

/** Whether one port-forward may do where lanes don't. */
function isWithoutLanes(error: unknown): boolean {
  return error instanceof NotJoined || error instanceof LanesLate || error instanceof NotOffered ||
    error instanceof PortForwardError;
}
