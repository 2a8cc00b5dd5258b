/** What a packet filter does to new TCP connections, as far as it decides which socket gets them. */

/** Whether a rule is for a packet: conditions that aren't understood may hold or not. */
export type Applies = "yes" | "no" | "maybe";

/** Connections are led to another port of the same network namespace, or out of it. */
export interface Redirect {
  /** As the rule's target is called. */
  readonly how: "REDIRECT" | "DNAT" | "TPROXY";
  /** 0 when the port stays as it is. */
  readonly port: number;
  /** They get another address that isn't loopback. */
  readonly isElsewhere: boolean;
  /** Depends on the packet's mark: who takes the connections marks those that it passes on. */
  readonly asksMark: boolean;
}

/** The chains of a table, and the one that packets come to first. */
export interface Entrance {
  readonly chains: Chains;
  readonly first: string;
}

/** What a rule does to a packet that it matches; `none` for a counter, a mark and the like. */
export type Action =
  | { readonly kind: "redirect"; readonly redirect: Omit<Redirect, "asksMark"> }
  | { readonly kind: "jump" | "goto"; readonly chain: string }
  | { readonly kind: "return" | "end" | "none" };

/** A condition on a connection from outside, by the port that it is for. */
export type Condition = (port: number) => Applies;

export interface Rule {
  /** All of them have to hold. */
  readonly conditions: readonly Condition[];
  /** One of them is about the packet's mark. */
  readonly asksMark?: boolean;
  readonly action: Action;
}

/** Rules by the name of their chain. */
export type Chains = ReadonlyMap<string, readonly Rule[]>;

/** Rules that are looked at for one question, at most. */
const MOST_STEPS = 20_000;
const DEEPEST = 32;

/** Whether all conditions hold for a connection to this port. */
export function matchOf(conditions: readonly Condition[], port: number): Applies {
  let all: Applies = "yes";
  for (const condition of conditions) {
    const match = condition(port);
    if (match === "no") return "no";
    if (match === "maybe") all = "maybe";
  }
  return all;
}

/**
 * Where a chain leads connections to a port, if it leads some of them to another one: the first such rule that no rule before it
 * surely keeps them from.
 */
export function redirectOf({ chains, first }: Entrance, port: number): Redirect | undefined {
  let steps = 0;
  return walk(first, 0).redirect;

  function walk(name: string, depth: number): { readonly redirect?: Redirect; readonly isOver: boolean } {
    for (const { conditions, action, asksMark = false } of chains.get(name) ?? []) {
      if (++steps > MOST_STEPS || depth > DEEPEST) break;
      const match = matchOf(conditions, port);
      if (match === "no") continue;
      switch (action.kind) {
        case "redirect":
          if (action.redirect.isElsewhere || ![0, port].includes(action.redirect.port)) {
            return { redirect: { ...action.redirect, asksMark }, isOver: true };
          }
          if (match === "yes") return { isOver: true };
          break;
        case "jump":
        case "goto": {
          const inner = walk(action.chain, depth + 1);
          if (inner.redirect || match === "yes" && (inner.isOver || action.kind === "goto")) return inner;
          break;
        }
        case "return":
          if (match === "yes") return { isOver: false };
          break;
        case "end":
          if (match === "yes") return { isOver: true };
          break;
        case "none":
      }
    }
    return { isOver: false };
  }
}
