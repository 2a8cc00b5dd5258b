/**
 * How large streams' windows are. They begin with what SETTINGS say, and grow where that is what holds a stream back: a window
 * smaller than what its reader takes in a round trip makes the peer wait for us (the bandwidth-delay product; the
 * receive buffers of Linux's TCP follow the same rule, tcp_rcv_space_adjust). A reader that doesn't keep up never gets more.
 *
 * Invariant: all growth together is at most the budget. Who wants more than is left takes it from streams that rest, then
 * from those that have more than their share.
 */
import type { ConnectionWindow, StreamWindow } from "./flow_control.ts";
import type { RoundTrip } from "../guards/round_trip.ts";

/** A stream rests when nothing was announced for so many milliseconds. */
const RESTS_MS = 1000;

export class WindowGrowth {
  readonly #roundTrip: RoundTrip;
  readonly #connection: ConnectionWindow;
  readonly #initial: number;
  readonly #most: number;
  readonly #budget: number;
  /** Windows that have grown, in the order in which they began to. */
  readonly #grown = new Set<StreamWindow>();
  /** Bytes by which they have. */
  #granted = 0;
  #looked = -Infinity;

  /**
   * @param initial bytes that a stream's window begins with
   * @param most bytes that one grows to
   */
  constructor(roundTrip: RoundTrip, connection: ConnectionWindow, initial: number, most: number) {
    this.#roundTrip = roundTrip;
    this.#connection = connection;
    this.#initial = initial;
    this.#most = most;
    this.#budget = connection.cap >>> 1;
  }

  /** Bytes by which all windows together have grown. */
  get granted(): number {
    return this.#granted;
  }

  /** `announced` bytes, that a stream's reader took, are about to be announced at `now`; returns what to add to them. */
  credited(window: StreamWindow, announced: number, now: number): number {
    const roundTrip = this.#roundTrip.ms;
    if (roundTrip === undefined) return 0;
    // Readers don't keep up: what is promised to come is to be less.
    const pressed = this.#connection.buffered > this.#connection.cap >>> 1;
    if (pressed && window.size > this.#initial) this.#shrink(window, this.#initial);
    const pace = window.measure(announced, now, roundTrip);
    // Twice the pace: it is half of what it could be where the window is what limits it.
    const wanted = Math.min(2 * Math.ceil(pace), 2 * window.size, this.#most);
    if (pressed || wanted <= window.size) return 0;
    const granted = Math.min(wanted - window.size, this.#room(window, wanted, now));
    if (granted <= 0) return 0;
    this.#granted += granted;
    this.#grown.add(window);
    return window.grow(window.size + granted);
  }

  /** The stream is over: what it had is free for others. */
  over(window: StreamWindow): void {
    if (this.#grown.delete(window)) this.#granted -= window.size - this.#initial;
  }

  /** Bytes by which a window that wants more may grow now; may be none, or less. */
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
    // Who rests now is found as well a little later.
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
