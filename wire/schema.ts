/**
 * Schemas of JSON that comes from another process. A schema parses a value, or says which field isn't valid and what
 * was expected; the types of messages are inferred from their schemas:
 *
 * ```ts
 * const point = object({ x: integer("coordinate", 0, 100), label: optional(text(64)) });
 * type Point = Infer<typeof point>; // { readonly x: number; readonly label?: string }
 * point.parse({ x: 101 }, ""); // throws NotValid: x is not a valid coordinate: expected 0 to 100
 * ```
 */

/** A value that its schema doesn't allow. The message names the field. */
export class NotValid extends Error {
  override name = "NotValid";
}

/** How a value of type T is parsed. */
export interface Schema<T> {
  /** What is expected, as it stands behind "expected": "1 to 65535". */
  readonly expected: string;
  /**
   * @param field the name of the field, for the error: "local.port"; empty for the whole message
   * @throws {NotValid}
   */
  parse(raw: unknown, field: string): T;
}

/** The schema of a field that may be absent. */
export interface OptionalSchema<T> extends Schema<T | undefined> {
  readonly optional: true;
}

/** The type that a schema parses. */
export type Infer<C> = C extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, Schema<unknown>>>;
type OptionalNames<F extends Fields> = {
  [Name in keyof F]: F[Name] extends { readonly optional: true } ? Name : never;
}[keyof F];
/** The object whose fields have these schemas. */
export type ObjectOf<F extends Fields> =
  & { readonly [Name in Exclude<keyof F, OptionalNames<F>>]: Infer<F[Name]> }
  & { readonly [Name in OptionalNames<F>]?: Exclude<Infer<F[Name]>, undefined> };

/** Any value for which `parse` has a result; `what` is the noun of the error: "port". */
export function value<T>(what: string, expected: string, parse: (raw: unknown) => T | undefined): Schema<T> {
  return {
    expected,
    parse(raw, field) {
      const parsed = raw === undefined ? undefined : parse(raw);
      if (parsed !== undefined) return parsed;
      const name = field === "" ? "the request" : field;
      if (raw === undefined) throw new NotValid(`${name} is missing: expected ${expected}`);
      throw new NotValid(`${name} is not a valid ${what}: expected ${expected}`);
    },
  };
}

/** A text of 1 to `longest` characters. */
export function text(longest: number): Schema<string> {
  return value(
    "text",
    `1 to ${longest} characters`,
    (raw) => typeof raw === "string" && raw.length > 0 && raw.length <= longest ? raw : undefined,
  );
}

/** A text that the expression matches, which has to limit its length. */
export function matching(what: string, expected: string, pattern: RegExp): Schema<string> {
  return value(what, expected, (raw) => typeof raw === "string" && pattern.test(raw) ? raw : undefined);
}

/** A whole number. */
export function integer(what: string, least: number, most: number): Schema<number> {
  return value(
    what,
    `${least} to ${most}`,
    (raw) =>
      typeof raw === "number" && Number.isInteger(raw) && raw >= least && raw <= most ? raw : undefined,
  );
}

/** A boolean; nothing that is like one. */
export function boolean(): Schema<boolean> {
  return value("boolean", "true or false", (raw) => typeof raw === "boolean" ? raw : undefined);
}

/** One of a few texts. */
export function oneOf<const T extends string>(what: string, values: readonly T[]): Schema<T> {
  return value(what, alternatives(values), (raw) => values.find((one) => one === raw));
}

/** A list of 0 to `most` values. */
export function list<T>(of: Schema<T>, most: number): Schema<readonly T[]> {
  const whole = value(
    "list",
    `up to ${most} values`,
    (raw) => Array.isArray(raw) && raw.length <= most ? raw as unknown[] : undefined,
  );
  return {
    expected: whole.expected,
    parse: (raw, field) => whole.parse(raw, field).map((one, i) => of.parse(one, `${field}[${i}]`)),
  };
}

/** A list of some of these texts, at least one, each once. */
export function someOf<const T extends string>(what: string, values: readonly T[]): Schema<readonly T[]> {
  return value(`list of ${what}s`, `a list of ${alternatives(values)}`, (raw) => {
    if (!Array.isArray(raw) || raw.length === 0) return undefined;
    const named = new Set<unknown>(raw);
    const known = values.filter((one) => named.has(one));
    return known.length === named.size ? known : undefined;
  });
}

/** An object of these fields; others are left out. */
export function object<const F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  const names = Object.keys(fields);
  const whole = value(
    "object",
    names.length === 0 ? "an object" : `an object with ${names.join(", ")}`,
    (raw) => typeof raw === "object" && raw !== null && !Array.isArray(raw) ? raw : undefined,
  );
  return {
    expected: whole.expected,
    parse(raw, field) {
      const from: Partial<Record<string, unknown>> = whole.parse(raw, field);
      const parsed: Record<string, unknown> = {};
      for (const [name, schema] of Object.entries(fields)) {
        const given = Object.hasOwn(from, name) ? from[name] : undefined;
        if (given === undefined && isOptional(schema)) continue;
        parsed[name] = schema.parse(given, field === "" ? name : `${field}.${name}`);
      }
      return parsed as ObjectOf<F>; // each field by its own schema
    },
  };
}

/** The schema of a field that may be absent. */
export function optional<T>(of: Schema<T>): OptionalSchema<T> {
  return { ...of, optional: true };
}

/** The schema of a field that has a value where it is absent. */
export function withDefault<T>(of: Schema<T>, otherwise: T): Schema<T> {
  return {
    expected: of.expected,
    parse: (raw, field) => raw === undefined ? otherwise : of.parse(raw, field),
  };
}

/** Any value, also an absent one: a field that another parser reads. */
export function unknown(): OptionalSchema<unknown> {
  return { expected: "any value", optional: true, parse: (raw) => raw };
}

function isOptional(schema: Schema<unknown>): boolean {
  return "optional" in schema;
}

/** `"a", "b" or "c"` */
function alternatives(values: readonly string[]): string {
  const quoted = values.map((one) => `"${one}"`);
  return quoted.length < 2 ? quoted.join() : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}
