/** DNS queries since the start, counted by what became of them. */
export interface NameServerStats {
  answered: number;
  forwarded: number;
  /** Forwarded, and not answered by the nameserver. */
  unanswered: number;
  /** Of an account that isn't answered. */
  refused: number;
  /** Beyond a limit. */
  dropped: number;
}

/** The counts at the start. */
export function zeroStats(): NameServerStats {
  return { answered: 0, forwarded: 0, unanswered: 0, refused: 0, dropped: 0 };
}
