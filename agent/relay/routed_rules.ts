import type { MatchedRule } from "../../wire/handover.ts";
import { Matcher } from "../routing/matcher.ts";
import { type RoutedRule, Router } from "../routing/router.ts";

/** The personal rules that relay was told, prepared to be asked. */
export class RoutedRules {
  readonly #rules = new Map<string, RoutedRule>();

  set({ rule, match, callers }: MatchedRule): void {
    this.#rules.set(rule, { uid: rule, matcher: new Matcher(match, callers) });
  }

  /** Forgets all rules but these. */
  retain(uids: ReadonlySet<string>): void {
    for (const uid of this.#rules.keys()) if (!uids.has(uid)) this.#rules.delete(uid);
  }

  /** A router of those rules that are known and in force, in the given order. */
  router(uids: readonly string[], inForce: (uid: string) => boolean): Router {
    return new Router(uids.filter(inForce).flatMap((uid) => this.#rules.get(uid) ?? []));
  }
}
