/**
 * Checks of JSON that comes from another process. A check reads a value as its type, or says which field isn't valid
 * and what was expected; the types of messages are inferred from their checks:
 *
 * ```ts
 * const point = object({ x: integer("coordinate", 0, 100), label: optional(text(64)) });
 * type Point = Checked<typeof point>; // { readonly x: number; readonly label?: string }
 * point.read({ x: 101 }, ""); // throws NotValid: x is not a valid coordinate: expected 0 to 100
 * ```
 */

/** A value that isn't what its check expects. The message names the field. */
export class NotValid extends Error {
  override name = "NotValid";
}

/** How a value of type T is read. */
export interface Check<T> {
  /** What is expected, as it stands behind "expected": "1 to 65535". */
  readonly expected: string;
  /**
   * @param field the name of the field, for the error: "local.port"; empty for the whole message
   * @throws {NotValid}
   */
  read(raw: unknown, field: string): T;
}

/** A check of a field that may be absent. */
export interface OptionalCheck<T> extends Check<T | undefined> {
  readonly optional: true;
}

/** The type that a check reads. */
export type Checked<C> = C extends Check<infer T> ? T : never;

type Fields = Readonly<Record<string, Check<unknown>>>;
type OptionalNames<F extends Fields> = {
  [Name in keyof F]: F[Name] extends { readonly optional: true } ? Name : never;
}[keyof F];
/** The object whose fields have these checks. */
export type CheckedObject<F extends Fields> =
  & { readonly [Name in Exclude<keyof F, OptionalNames<F>>]: Checked<F[Name]> }
  & { readonly [Name in OptionalNames<F>]?: Exclude<Checked<F[Name]>, undefined> };

/** Any value for which `parse` has a result; `what` is the noun of the error: "port". */
export function value<T>(what: string, expected: string, parse: (raw: unknown) => T | undefined): Check<T> {
  return {
    expected,
    read(raw, field) {
      const parsed = raw === undefined ? undefined : parse(raw);
      if (parsed !== undefined) return parsed;
      const name = field === "" ? "the request" : field;
      if (raw === undefined) throw new NotValid(`${name} is missing: expected ${expected}`);
      throw new NotValid(`${name} is not a valid ${what}: expected ${expected}`);
    },
  };
}

/** A text of 1 to `longest` characters. */
export function text(longest: number): Check<string> {
  return value(
    "text",
    `1 to ${longest} characters`,
    (raw) => typeof raw === "string" && raw.length > 0 && raw.length <= longest ? raw : undefined,
  );
}

/** A text that the expression matches, which has to limit its length. */
export function matching(what: string, expected: string, pattern: RegExp): Check<string> {
  return value(what, expected, (raw) => typeof raw === "string" && pattern.test(raw) ? raw : undefined);
}

/** A whole number. */
export function integer(what: string, least: number, most: number): Check<number> {
  return value(
    what,
    `${least} to ${most}`,
    (raw) =>
      typeof raw === "number" && Number.isInteger(raw) && raw >= least && raw <= most ? raw : undefined,
  );
}

/** A boolean; nothing that is like one. */
export function boolean(): Check<boolean> {
  return value("boolean", "true or false", (raw) => typeof raw === "boolean" ? raw : undefined);
}

/** One of a few texts. */
export function oneOf<const T extends string>(what: string, values: readonly T[]): Check<T> {
  return value(what, alternatives(values), (raw) => values.find((one) => one === raw));
}

/** A list of 0 to `most` values. */
export function list<T>(of: Check<T>, most: number): Check<readonly T[]> {
  const whole = value(
    "list",
    `up to ${most} values`,
    (raw) => Array.isArray(raw) && raw.length <= most ? raw as unknown[] : undefined,
  );
  return {
    expected: whole.expected,
    read: (raw, field) => whole.read(raw, field).map((one, i) => of.read(one, `${field}[${i}]`)),
  };
}

/** A list of some of these texts, at least one, each once. */
export function someOf<const T extends string>(what: string, values: readonly T[]): Check<readonly T[]> {
  return value(`list of ${what}s`, `a list of ${alternatives(values)}`, (raw) => {
    if (!Array.isArray(raw) || raw.length === 0) return undefined;
    const named = new Set<unknown>(raw);
    const known = values.filter((one) => named.has(one));
    return known.length === named.size ? known : undefined;
  });
}

/** An object of these fields; others are left out. */
export function object<const F extends Fields>(fields: F): Check<CheckedObject<F>> {
  const names = Object.keys(fields);
  const whole = value(
    "object",
    names.length === 0 ? "an object" : `an object with ${names.join(", ")}`,
    (raw) => typeof raw === "object" && raw !== null && !Array.isArray(raw) ? raw : undefined,
  );
  return {
    expected: whole.expected,
    read(raw, field) {
      const from: Partial<Record<string, unknown>> = whole.read(raw, field);
      const read: Record<string, unknown> = {};
      for (const [name, check] of Object.entries(fields)) {
        const given = Object.hasOwn(from, name) ? from[name] : undefined;
        if (given === undefined && isOptional(check)) continue;
        read[name] = check.read(given, field === "" ? name : `${field}.${name}`);
      }
      return read as CheckedObject<F>; // each field was read by its own check
    },
  };
}

/** The same check of a field that may be absent. */
export function optional<T>(of: Check<T>): OptionalCheck<T> {
  return { ...of, optional: true };
}

/** The same check of a field that has a value where it is absent. */
export function withDefault<T>(of: Check<T>, otherwise: T): Check<T> {
  return {
    expected: of.expected,
    read: (raw, field) => raw === undefined ? otherwise : of.read(raw, field),
  };
}

function isOptional(check: Check<unknown>): boolean {
  return "optional" in check;
}

/** `"a", "b" or "c"` */
function alternatives(values: readonly string[]): string {
  const quoted = values.map((one) => `"${one}"`);
  return quoted.length < 2 ? quoted.join() : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}
