/**
 * Finds the rules that may take a request by one thing that each of them needs, so that a request doesn't cost more the more
 * rules there are: most rules of a port need other values of the same few fields.
 */
import type { Matcher, Need } from "./matcher.ts";

/** What is looked up of a request. */
interface Indexed {
  readonly host: string | undefined;
  header(name: string): readonly string[];
  cookie(name: string): readonly string[];
  baggage(name: string): readonly string[];
}

/** What can be said of a request whose head wasn't parsed. */
interface Unparsed {
  has(name: string): boolean;
  /** The values of a field, whose name is in lower case. */
  values(name: string): readonly string[];
}

/** Rules that need the same thing of a request, by the value that they need; each is its place in the list of rules. */
interface Group {
  readonly of: Need["of"];
  readonly name: string;
  /** The field that a request must have for any of them. */
  readonly field: string;
  readonly byValue: Map<string, number[]>;
  readonly ofAny: number[];
}

export class RuleIndex {
  readonly #groups: Group[] = [];
  /** Rules that need nothing that could be looked up. */
  readonly #always: number[] = [];

  /** @param matchers of the rules, in their order */
  constructor(matchers: readonly Matcher[]) {
    matchers.forEach(({ need }, place) => {
      if (need === undefined) return void this.#always.push(place);
      const { byValue, ofAny } = this.#group(need);
      if (need.values === undefined) return void ofAny.push(place);
      for (const value of new Set(need.values)) {
        const places = byValue.get(value);
        if (places) places.push(place);
        else byValue.set(value, [place]);
      }
    });
  }

  /** Places of the rules that may take a request, in their order. */
  find(request: Indexed): readonly number[] {
    let found: number[] | undefined;
    for (const { of, name, byValue, ofAny } of this.#groups) {
      const values = of === "host" ? [request.host ?? ""] : request[of](name);
      if (values.length === 0) continue;
      found ??= [...this.#always];
      found.push(...ofAny, ...values.flatMap((value) => byValue.get(value) ?? []));
    }
    return found ? [...new Set(found)].sort((a, b) => a - b) : this.#always;
  }

  /** Whether no rule takes a request, as far as that can be told from its head without parsing it. */
  excludes(head: Unparsed): boolean {
    if (this.#always.length > 0) return false;
    for (const { of, field, byValue, ofAny } of this.#groups) {
      if (!head.has(field)) continue;
      if (of !== "header" && of !== "host" || ofAny.length > 0) return false;
      for (const value of head.values(field)) {
        if (byValue.has(of === "host" ? hostOf(value) : value)) return false;
      }
    }
    return true;
  }

  #group({ of, name }: Need): Group {
    const found = this.#groups.find((group) => group.of === of && group.name === name);
    if (found) return found;
    const field = of === "header" ? name : of;
    const made: Group = { of, name, field, byValue: new Map(), ofAny: [] };
    this.#groups.push(made);
    return made;
  }
}

/** A host in lower case, without port and without the dot at its end. */
function hostOf(value: string): string {
  return value.toLowerCase().replace(/\.?(?::[0-9]*)?$/, "");
}
