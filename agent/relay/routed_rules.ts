import type { MatchedRule } from "../../wire/handover.ts";
import type { RequestCounts } from "../../wire/request_counts.ts";
import { Matcher } from "../routing/matcher.ts";
import { type RoutedRule, Router } from "../routing/router.ts";

/** The personal rules that relay was told, prepared to be asked. */
export class RoutedRules {
  readonly #rules = new Map<string, RoutedRule>();
  readonly #isInForce: (uid: string) => boolean;

  constructor(isInForce: (uid: string) => boolean) {
    this.#isInForce = isInForce;
  }

  set({ rule: uid, match = {}, mirror, callers }: MatchedRule): void {
    this.#rules.set(uid, {
      uid,
      matcher: new Matcher(match, callers),
      mirrors: mirror === true,
      isInForce: () => this.#isInForce(uid),
      counts: this.#rules.get(uid)?.counts ?? { seen: 0, taken: 0, declined: 0 },
    });
  }

  /** The counts that have changed since the last call. A request may be taken long after it was seen. */
  takeCounts(): RequestCounts[] {
    const changed = [...this.#rules.values()].filter(({ counts: { seen, taken, declined } }) =>
      seen + taken + declined > 0
    );
    return changed.map(({ uid: rule, counts }) => {
      const told = { rule, ...counts };
      counts.seen = counts.taken = counts.declined = 0;
      return told;
    });
  }

  /** Forgets all rules but these. */
  retain(uids: ReadonlySet<string>): void {
    for (const uid of this.#rules.keys()) if (!uids.has(uid)) this.#rules.delete(uid);
  }

  /** A router of those rules that are known, in the given order. */
  router(uids: readonly string[]): Router {
    return new Router(uids.flatMap((uid) => this.#rules.get(uid) ?? []));
  }
}
