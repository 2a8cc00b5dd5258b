import { canDialFrom, dialFrom, isPortTaken } from "../../ffi/sockets/dial_from.ts";
import { probeSilentConnections } from "../../ffi/sockets/keep_alive.ts";
import { type DialOptions, dialTcp } from "../../ffi/sockets/tcp_connection.ts";
import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { BusyTargets } from "./busy_targets.ts";

/** Seconds of silence after which a target is probed: one whose node failed must not hold a stream for hours. */
const SILENCE_S = 60;
/** Milliseconds between looks for new connections. */
const LOOK_MS = 30_000;
/** Dials of a target within a minute from which on the gateway chooses their source ports. */
const BUSY_FROM = 5_000;
/**
 * The source ports that the gateway chooses from: below those that the kernel gives by default, and below NodePorts. A port comes again
 * after so many dials, 10 s at 2,000 a second.
 */
const FIRST_PORT = 10_000;
const LAST_PORT = 29_999;
/** Ports that are tried for a dial before the kernel is left to choose. */
const TRIES = 8;

/** A connection to a target. */
export interface DialledConnection extends AbortableTransport {
  /** This end: the address that the target sees as its caller. */
  readonly local: Endpoint;
}

/** Dials; fails with an error whose `code` is the kernel's name for the cause ("ECONNREFUSED"). */
export type DialTarget = (endpoint: Endpoint, options: DialOptions) => Promise<DialledConnection>;

/** Connects to an address from a port that the kernel chooses. @throws as dialTcp does. */
export const dial: DialTarget = ({ address, port }, options) => dialTcp(address.text, port, options);

/**
 * Connects to addresses, to one of them any number of times a minute: all laptops' connections to a Service have this pod's address
 * as their source, and the kernel's own choice of a port ends at 28,000 connections that were closed here within a minute. By its own
 * choice a connection costs less, so targets that aren't busy are left to it.
 */
export function spreadingDialler(busy: BusyTargets = new BusyTargets(BUSY_FROM)): DialTarget {
  let last = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
  const next = () => last = last < LAST_PORT ? last + 1 : FIRST_PORT;
  return async (endpoint, options) => {
    if (busy.count(formatEndpoint(endpoint.address.text, endpoint.port)) && canDialFrom()) {
      for (let i = 0; i < TRIES; i++) {
        try {
          return await dialFrom(next(), endpoint, options);
        } catch (error) {
          if (!isPortTaken(error)) throw error;
        }
      }
    }
    return await dial(endpoint, options);
  };
}

/** Probes dialled connections that fell silent, until it is disposed of. */
export class SilenceProbes implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param everyMs milliseconds between looks for new connections */
  constructor(everyMs: number = LOOK_MS) {
    this.#timer = setInterval(() => probeSilentConnections(SILENCE_S), everyMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
