import type { Transport } from "../../net/transport.ts";

/** One direction of a relay; tells once that it is over. */
export interface Direction {
  /** Bytes so far. */
  readonly carried: number;
  begin(): void;
}

/** A direction is over: it came to its end, or something broke; `by` is what broke of itself, where that is known. */
export type Over = (error?: Error, by?: Transport) => void;
