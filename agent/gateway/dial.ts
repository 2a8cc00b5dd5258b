import { probeSilentConnections } from "../../ffi/sockets/keep_alive.ts";
import { type DialOptions, dialTcp } from "../../ffi/sockets/tcp_connection.ts";
import type { Endpoint } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";

/** Seconds of silence after which a target is probed: one whose node is gone must not hold a stream for hours. */
const SILENCE_S = 60;
/** Milliseconds between looks at what was dialled since. */
const LOOK_MS = 30_000;

/** Dials; fails with an error whose `code` says why, as the kernel calls it ("ECONNREFUSED"). */
export type Dial = (endpoint: Endpoint, options: DialOptions) => Promise<AbortableTransport>;

/** Connects to an address. @throws as dialTcp does. */
export const dial: Dial = ({ address, port }, options) => dialTcp(address.text, port, options);

/** While it lives, what was dialled and fell silent is probed. */
export class SilenceProbes implements Disposable {
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param everyMs milliseconds between looks at what was dialled since */
  constructor(everyMs: number = LOOK_MS) {
    this.#timer = setInterval(() => probeSilentConnections(SILENCE_S), everyMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
