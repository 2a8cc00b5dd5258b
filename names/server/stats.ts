/** Counts since the start. */
export interface NameServerStats {
  answered: number;
  forwarded: number;
  /** The nameserver that was asked didn't answer. */
  unanswered: number;
  /** Not one of the accounts. */
  refused: number;
  /** Beyond a limit. */
  dropped: number;
}

/** What a server begins with. */
export function noneYet(): NameServerStats {
  return { answered: 0, forwarded: 0, unanswered: 0, refused: 0, dropped: 0 };
}
