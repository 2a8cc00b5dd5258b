/**
 * Sizes the windows of streams. A window begins with the size in SETTINGS and grows where it limits the stream: a window smaller
 * than what the reader consumes in a round trip makes the peer wait (bandwidth-delay product; Linux's TCP receive buffers follow
 * the same rule, tcp_rcv_space_adjust). The window of a reader that doesn't keep up never grows.
 *
 * Invariant: all growth together is at most the budget. A stream that needs more than is left takes it from idle streams, then
 * from those that have more than their share.
 */
import type { ConnectionWindow, StreamWindow } from "./flow_control.ts";
import type { RoundTrip } from "../guards/round_trip.ts";

/** A stream is idle when nothing was announced for this many milliseconds. */
const RESTS_MS = 1000;

export class WindowGrowth {
  readonly #roundTrip: RoundTrip;
  readonly #connection: ConnectionWindow;
  readonly #initial: number;
  readonly #most: number;
  readonly #budget: number;
  /** Windows that have grown, in the order in which their growth began. */
  readonly #grown = new Set<StreamWindow>();
  /** Their growth in bytes. */
  #granted = 0;
  #looked = -Infinity;

  /**
   * @param initial initial window of a stream in bytes
   * @param most largest window of a stream in bytes
   */
  constructor(roundTrip: RoundTrip, connection: ConnectionWindow, initial: number, most: number) {
    this.#roundTrip = roundTrip;
    this.#connection = connection;
    this.#initial = initial;
    this.#most = most;
    this.#budget = connection.cap >>> 1;
  }

  /** Growth of all windows together, in bytes. */
  get granted(): number {
    return this.#granted;
  }

  /** Called when `announced` consumed bytes are about to be announced at `now`. Returns the bytes to add to them. */
  credited(window: StreamWindow, announced: number, now: number): number {
    const roundTrip = this.#roundTrip.ms;
    if (roundTrip === undefined) return 0;
    // Readers don't keep up: the windows have to shrink.
    const pressed = this.#connection.buffered > this.#connection.allowed >>> 1;
    if (pressed && window.size > this.#initial) this.#shrink(window, this.#initial);
    const pace = window.measure(announced, now, roundTrip);
    // Twice the pace, since a window that limits its stream halves the pace that is possible.
    const wanted = Math.min(2 * Math.ceil(pace), 2 * window.size, this.#most);
    if (pressed || wanted <= window.size) return 0;
    const granted = Math.min(wanted - window.size, this.#room(window, wanted, now));
    if (granted <= 0) return 0;
    this.#granted += granted;
    this.#grown.add(window);
    return window.grow(window.size + granted);
  }

  /** The stream has ended: its growth is free for others. */
  over(window: StreamWindow): void {
    if (this.#grown.delete(window)) this.#granted -= window.size - this.#initial;
  }

  /** Bytes by which a window may grow now; may be 0 or negative. */
  #room(window: StreamWindow, wanted: number, now: number): number {
    const more = wanted - window.size;
    if (this.#budget - this.#granted < more) this.#takeFromResting(window, now);
    if (this.#budget - this.#granted >= more) return more;
    const busy = this.#grown.size + (this.#grown.has(window) ? 0 : 1);
    const share = this.#initial + Math.floor(this.#budget / busy);
    if (window.size >= share) return 0;
    for (const other of this.#grown) if (other !== window && other.size > share) this.#shrink(other, share);
    return Math.min(share - window.size, this.#budget - this.#granted);
  }

  #takeFromResting(window: StreamWindow, now: number): void {
    const rests = Math.max(RESTS_MS, 4 * (this.#roundTrip.ms ?? 0));
    // A stream that becomes idle now is found a little later.
    if (now - this.#looked < rests / 4) return;
    this.#looked = now;
    for (const other of this.#grown) {
      if (other !== window && now - other.measured > rests) this.#shrink(other, this.#initial);
    }
  }

  #shrink(window: StreamWindow, size: number): void {
    this.#granted -= window.size - size;
    window.shrink(size);
    if (size === this.#initial) this.#grown.delete(window);
  }
}
