import type { MatchedRule } from "../../wire/handover.ts";
import type { RelayChannel } from "./relay_link.ts";

/**
 * Characters of one portion, with so many for what each message costs besides. The socket holds about 400 KiB, and relay
 * may have read nothing of it yet; what else it is told has to fit, too.
 */
const PORTION = 96 * 1024;
const PER_MESSAGE = 1024;

/**
 * What relay was told of personal rules. It is told in portions: the matches of a node's rules, with the addresses of their
 * callers, may be many times what the socket to relay holds.
 */
export class ToldMatches {
  readonly #told = new Map<string, string>();

  /** Whether relay knows this rule. */
  has(uid: string): boolean {
    return this.#told.has(uid);
  }

  /** Tells what is new, and forgets the rules that aren't there. False when a part is left for the next call. */
  tell(matched: Iterable<MatchedRule>, relay: RelayChannel): boolean {
    const there = new Set<string>();
    let left = PORTION;
    let all = true;
    for (const match of matched) {
      const { rule } = match;
      there.add(rule);
      const text = JSON.stringify(match);
      if (text === this.#told.get(rule)) continue;
      const cost = text.length + PER_MESSAGE;
      // A match that is larger than a portion goes alone.
      if (!all || cost > left && left < PORTION || !relay.send({ tell: "match", ...match })) {
        all = false;
        continue;
      }
      left -= cost;
      this.#told.set(rule, text);
    }
    for (const uid of this.#told.keys()) if (!there.has(uid)) this.#told.delete(uid);
    return all;
  }

  /** Another relay, or none, is there: it knows nothing. */
  clear(): void {
    this.#told.clear();
  }
}
