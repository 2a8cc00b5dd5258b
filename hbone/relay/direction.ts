/** One direction of a relay; reports its end once. */
export interface Direction {
  /** Bytes so far. */
  readonly carried: number;
  begin(): void;
}

/** Called when a direction has ended: in order, or by an error of one of its two ends (`by`). */
export type Over = (error?: Error, by?: "from" | "to") => void;
