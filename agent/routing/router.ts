/**
 * Decides which of a port's personal rules takes a connection or a request. Rules are asked in their order; the first one
 * that takes it has it. What none takes goes on as if there were no personal rules.
 */
import { LONGEST_CLIENT_HELLO, serverName } from "./client_hello.ts";
import type { Matcher } from "./matcher.ts";
import { protocolOf } from "./protocol.ts";
import type { RoutableRequest } from "./request.ts";

export interface RoutedRule {
  readonly uid: string;
  readonly matcher: Matcher;
}

/** A whole connection goes to the rule's laptop, or on as without personal rules. */
type WholeConnection = { readonly kind: "connection"; readonly rule: RoutedRule | undefined };

/** `requests`: each request of the connection is decided for itself; `more`: more bytes decide. */
export type Decision = WholeConnection | { readonly kind: "requests" | "more" };

const others: WholeConnection = { kind: "connection", rule: undefined };

export class Router {
  readonly #rules: readonly RoutedRule[];

  /** @param rules those in force now, in their order */
  constructor(rules: readonly RoutedRule[]) {
    this.#rules = rules;
  }

  get empty(): boolean {
    return this.#rules.length === 0;
  }

  /** Decides about a connection of which nothing was read yet: `more` where it depends on what the caller says. */
  byCaller(caller: string): Decision {
    const first = this.#rules.find(({ matcher }) => matcher.takesFrom(caller));
    if (!first) return others;
    return first.matcher.takesAll ? { kind: "connection", rule: first } : { kind: "more" };
  }

  /** Decides by the first bytes of a connection. */
  byFirstBytes(bytes: Uint8Array, caller: string): Decision {
    switch (protocolOf(bytes)) {
      case "more":
        return { kind: "more" };
      case "http1":
        return { kind: "requests" };
      case "tls":
        return this.#byServerName(bytes, caller);
      default:
        return this.undecided(caller);
    }
  }

  /** Decides about a connection whose protocol isn't known. */
  undecided(caller: string): WholeConnection {
    const rule = this.#rules.find(({ matcher }) => matcher.takesAll && matcher.takesFrom(caller));
    return rule ? { kind: "connection", rule } : others;
  }

  /** Which rule takes a request, if any does. */
  byRequest(request: RoutableRequest, caller: string): RoutedRule | undefined {
    return this.#rules.find(({ matcher }) => matcher.takesRequest(request, caller));
  }

  #byServerName(bytes: Uint8Array, caller: string): Decision {
    const name = serverName(bytes);
    if (name.kind === "more" && bytes.length < 2 * LONGEST_CLIENT_HELLO) return { kind: "more" };
    const said = name.kind === "name" ? name.name : undefined;
    return { kind: "connection", rule: this.#rules.find(({ matcher }) => matcher.takesTls(said, caller)) };
  }
}
