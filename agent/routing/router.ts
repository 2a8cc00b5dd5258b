/**
 * Decides which of a port's personal rules takes a connection or a request. Rules are asked in their order; the first one
 * that takes it has it. What no rule takes is carried as if there were no personal rules.
 */
import type { PlainHead } from "../../http/plain_head.ts";
import { LONGEST_CLIENT_HELLO, serverName } from "./client_hello.ts";
import type { Matcher } from "./matcher.ts";
import { protocolOf } from "./protocol.ts";
import type { MatchableRequest } from "./matchable_request.ts";
import { RuleIndex } from "./rule_index.ts";

export interface RoutedRule {
  readonly uid: string;
  readonly matcher: Matcher;
  /** It takes nothing: its laptop gets a copy of what the pod is sent. */
  readonly mirrors?: boolean;
  /** Whether its laptop is there, when it is asked. A rule that isn't in force takes nothing. */
  readonly isInForce: () => boolean;
  readonly counts: Counts;
}

/** Requests since they were told last. */
export interface Counts {
  seen: number;
  taken: number;
  declined: number;
}

/** A whole connection goes to the rule's laptop, or on as without personal rules. */
type WholeConnection = { readonly kind: "connection"; readonly rule: RoutedRule | undefined };

/** `requests`, `streams`: each request, or HTTP/2 stream, is decided for itself; `more`: more bytes decide. */
export type Decision = WholeConnection | { readonly kind: "requests" | "streams" | "more" };

const others: WholeConnection = { kind: "connection", rule: undefined };

export class Router {
  readonly #rules: readonly RoutedRule[];
  readonly #mirrors: readonly RoutedRule[];
  readonly #inForce: readonly RoutedRule[];
  readonly #index: RuleIndex;

  /** @param rules in their order. When one comes into force, or is no longer, they need another router. */
  constructor(rules: readonly RoutedRule[]) {
    this.#rules = rules.filter(({ mirrors }) => mirrors !== true);
    this.#mirrors = rules.filter(({ mirrors }) => mirrors === true);
    this.#inForce = this.#rules.filter(({ isInForce }) => isInForce());
    this.#index = new RuleIndex(this.#inForce.map(({ matcher }) => matcher));
  }

  /**
   * Decides about a connection of which nothing was read yet: `more` where it depends on what the caller says. It does for
   * rules as well that aren't in force, which may come back while the connection is open.
   */
  byCaller(caller: string): Decision {
    for (const rule of this.#rules) {
      if (!rule.matcher.takesFrom(caller)) continue;
      if (!rule.matcher.takesAll) return { kind: "more" };
      if (!rule.isInForce()) continue;
      rule.counts.seen++;
      return { kind: "connection", rule };
    }
    return this.#mirrorsRequests(caller) ? { kind: "more" } : others;
  }

  /**
   * The rule that takes all that a caller sends, whatever that is: for datagrams, which nothing but their caller is told of. What it is
   * asked and takes is for the caller of this to count.
   */
  ofCaller(caller: string): RoutedRule | undefined {
    return this.#rules.find(({ matcher, isInForce }) =>
      matcher.takesAll && matcher.takesFrom(caller) && isInForce()
    );
  }

  #mirrorsRequests(caller: string): boolean {
    return this.#mirrors.some(({ matcher }) => matcher.takesFrom(caller) && !matcher.takesAll);
  }

  /** Whether what a caller sends may have to be copied. */
  mirrorsFrom(caller: string): boolean {
    return this.#mirrors.some(({ matcher }) => matcher.takesFrom(caller));
  }

  /** The rules that get a copy of a request that the pod is sent; those of whole connections get it with the connection. */
  mirrorsOfRequest(request: MatchableRequest, caller: string): readonly RoutedRule[] {
    return this.#mirrors.filter(({ matcher, isInForce, counts }) => {
      if (matcher.takesAll || !isInForce()) return false;
      counts.seen++;
      return matcher.takesRequest(request, caller);
    });
  }

  /** The rules that get a copy of all that a connection sends to the pod. */
  mirrorsOfConnection(caller: string): readonly RoutedRule[] {
    return this.#mirrors.filter(({ matcher, isInForce, counts }) => {
      if (!matcher.takesAll || !matcher.takesFrom(caller) || !isInForce()) return false;
      counts.seen++;
      return true;
    });
  }

  /** Whether one of these rules may take something of a caller, or get a copy. */
  mayTake(uids: ReadonlySet<string>, caller: string): boolean {
    return this.#rules.some(({ uid, matcher }) => uids.has(uid) && matcher.takesFrom(caller)) ||
      this.mayMirror(uids, caller);
  }

  /** Whether one of these rules may get a copy of something of a caller. */
  mayMirror(uids: ReadonlySet<string>, caller: string): boolean {
    return this.#mirrors.some(({ uid, matcher }) => uids.has(uid) && matcher.takesFrom(caller));
  }

  /** Decides by the first bytes of a connection. */
  byFirstBytes(bytes: Uint8Array, caller: string): Decision {
    switch (protocolOf(bytes)) {
      case "more":
        return { kind: "more" };
      case "http1":
        return { kind: "requests" };
      case "http2":
        return { kind: "streams" };
      case "tls":
        return this.#byServerName(bytes, caller);
      default:
        return this.undecided(caller);
    }
  }

  /** Decides about a connection whose protocol isn't known. */
  undecided(caller: string): WholeConnection {
    const rule = this.#find((matcher) => matcher.takesAll && matcher.takesFrom(caller));
    return rule ? { kind: "connection", rule } : others;
  }

  /** Which rule takes a request, if any does. */
  byRequest(request: MatchableRequest, caller: string): RoutedRule | undefined {
    const place = this.#index.find(request).find((place) =>
      this.#inForce[place]?.matcher.takesRequest(request, caller)
    );
    return this.#asked(place);
  }

  /** Whether no rule takes a request, of which only so much is known. Where that can't be told, it has to be asked by `byRequest`. */
  excludes(head: PlainHead): boolean {
    if (!this.#index.excludes(head)) return false;
    this.#asked(undefined);
    return true;
  }

  #find(takes: (matcher: Matcher) => boolean): RoutedRule | undefined {
    const place = this.#inForce.findIndex(({ matcher }) => takes(matcher));
    return this.#asked(place < 0 ? undefined : place);
  }

  /** Counts what was asked of the rules up to the one that takes it, or of all of them. Hot path. */
  #asked(taker: number | undefined): RoutedRule | undefined {
    const rules = this.#inForce;
    const last = taker ?? rules.length - 1;
    for (let place = 0; place <= last; place++) {
      const rule = rules[place];
      if (rule) rule.counts.seen++;
    }
    return taker === undefined ? undefined : rules[taker];
  }

  #byServerName(bytes: Uint8Array, caller: string): Decision {
    const name = serverName(bytes);
    if (name.kind === "more" && bytes.length < 2 * LONGEST_CLIENT_HELLO) return { kind: "more" };
    const said = name.kind === "name" ? name.name : undefined;
    return { kind: "connection", rule: this.#find((matcher) => matcher.takesTls(said, caller)) };
  }
}
