/** A request as matchers see it, whatever protocol it came by. */
import { withoutSpaces } from "../../http/field_lines.ts";

export interface MatchableRequest {
  readonly method: string;
  /** In lower case, without port; undefined where it names none. */
  readonly host: string | undefined;
  /** As it was sent, without its query. */
  readonly path: string;
  /** The values of a header, whose name is in lower case. */
  header(name: string): readonly string[];
  /** The values of the cookies of that name (RFC 6265 §4.2). */
  cookie(name: string): readonly string[];
  /** The values of that member of the header `baggage`, without its properties (W3C Baggage §3.2). */
  baggage(name: string): readonly string[];
}

const HOST =
  /^(?=.{1,260}$)([A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?$/;

/** The name or address of a Host or an :authority, in lower case, without port; undefined when it is not a valid one. */
export function hostName(text: string): string | undefined {
  return HOST.exec(text)?.[1]?.toLowerCase().replace(/\.$/, "");
}

/** The fields of a request, found by name. Hot path: what only some matchers ask for is made when it is asked for, once. */
export class FieldIndex {
  readonly #fields: Iterable<{ readonly name: string; readonly value: string }>;
  #headers: Map<string, string[]> | undefined;
  #cookies: Map<string, string[]> | undefined;
  #baggage: Map<string, string[]> | undefined;

  /** @param fields with names in lower case */
  constructor(fields: Iterable<{ readonly name: string; readonly value: string }>) {
    this.#fields = fields;
  }

  header(name: string): readonly string[] {
    if (this.#headers === undefined) {
      this.#headers = new Map();
      for (const field of this.#fields) add(this.#headers, field.name, field.value);
    }
    return this.#headers.get(name) ?? [];
  }

  cookie(name: string): readonly string[] {
    if (this.#cookies === undefined) {
      this.#cookies = new Map();
      for (const line of this.header("cookie")) addPairs(this.#cookies, line.split(";"));
    }
    return this.#cookies.get(name) ?? [];
  }

  baggage(name: string): readonly string[] {
    if (this.#baggage === undefined) {
      this.#baggage = new Map();
      for (const line of this.header("baggage")) {
        addPairs(
          this.#baggage,
          line.split(",").map((member) => member.split(";", 1)[0] ?? ""),
          percentDecoded,
        );
      }
    }
    return this.#baggage.get(name) ?? [];
  }
}

function add(to: Map<string, string[]>, name: string, value: string): void {
  const values = to.get(name);
  if (values) values.push(value);
  else to.set(name, [value]);
}

/** Adds "name=value" pairs, with spaces around either. */
function addPairs(
  to: Map<string, string[]>,
  pairs: readonly string[],
  decoded: (value: string) => string = (value) => value,
): void {
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at > 0) add(to, withoutSpaces(pair.slice(0, at)), decoded(withoutSpaces(pair.slice(at + 1))));
  }
}

function percentDecoded(value: string): string {
  if (!value.includes("%")) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
