import { probeSilentConnections } from "../../ffi/sockets/keep_alive.ts";
import { type DialOptions, dialTcp } from "../../ffi/sockets/tcp_connection.ts";
import type { Endpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";

/** Seconds of silence after which a target is probed: one whose node failed must not hold a stream for hours. */
const SILENCE_S = 60;
/** Milliseconds between looks for new connections. */
const LOOK_MS = 30_000;

/** A connection to a target. */
export interface DialledConnection extends AbortableTransport {
  /** This end: the address that the target sees as its caller. */
  readonly local: Endpoint;
}

/** Dials; fails with an error whose `code` is the kernel's name for the cause ("ECONNREFUSED"). */
export type DialTarget = (endpoint: Endpoint, options: DialOptions) => Promise<DialledConnection>;

/** Connects to an address. @throws as dialTcp does. */
export const dial: DialTarget = ({ address, port }, options) => dialTcp(address.text, port, options);

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
