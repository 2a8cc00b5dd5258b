/** An object from the API server doesn't match its schema. */
export class ParseError extends Error {
  override name = "ParseError";
  constructor(path: string, expected: string) {
    super(`${path || "the object"} isn't ${expected}`);
  }
}

/** JSON's object: only own properties are looked at, so that nothing comes out of a prototype. */
export type Json = { readonly [name: string]: unknown };

/** @throws ParseError */
export function record(value: unknown, path: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ParseError(path, "an object");
  }
  return value as Json;
}

/** An own property; undefined for null too, as Go's JSON writes either for a missing value. */
export function field(from: Json, name: string): unknown {
  return Object.hasOwn(from, name) ? from[name] ?? undefined : undefined;
}

/** An object within an object, empty when it is missing. @throws {ParseError} */
export function child(from: Json, name: string, path: string): Json {
  const value = field(from, name);
  return value === undefined ? {} : record(value, `${path}.${name}`);
}

/** @throws ParseError also when it is missing, empty or longer than `max` */
export function text(from: Json, name: string, path: string, max = 253): string {
  const value = optionalText(from, name, path, max);
  if (!value) throw new ParseError(`${path}.${name}`, "a text");
  return value;
}

/** @throws ParseError when it is there and isn't a string of at most `max` characters */
export function optionalText(from: Json, name: string, path: string, max = 253): string | undefined {
  const value = field(from, name);
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value.length > max) {
    throw new ParseError(`${path}.${name}`, `a text of at most ${max} characters`);
  }
  return value;
}

/** @throws ParseError when it is there and isn't a boolean */
export function optionalBoolean(from: Json, name: string, path: string): boolean | undefined {
  const value = field(from, name);
  if (value !== undefined && typeof value !== "boolean") {
    throw new ParseError(`${path}.${name}`, "true or false");
  }
  return value;
}

/** A port number. @throws ParseError when it is there and isn't one */
export function optionalPort(from: Json, name: string, path: string): number | undefined {
  const value = field(from, name);
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > 65_535) {
    throw new ParseError(`${path}.${name}`, "a port number");
  }
  return value;
}

/** A list, empty when it is missing. @throws {ParseError} also when it has more than `max` entries */
export function list<T>(
  from: Json,
  name: string,
  path: string,
  max: number,
  parse: (entry: unknown, path: string) => T,
): T[] {
  const value = field(from, name);
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > max) {
    throw new ParseError(`${path}.${name}`, `a list of at most ${max} entries`);
  }
  return Array.from(value, (entry: unknown, index) => parse(entry, `${path}.${name}[${index}]`));
}

/** Parses a string as an entry of a list. @throws {ParseError} */
export function entryText(max = 253): (entry: unknown, path: string) => string {
  return (entry, path) => {
    if (typeof entry !== "string" || entry === "" || entry.length > max) {
      throw new ParseError(path, `a text of at most ${max} characters`);
    }
    return entry;
  };
}

/** A map of strings (labels, selectors), without a prototype. @throws ParseError */
export function textMap(
  from: Json,
  name: string,
  path: string,
  max = 1_000,
): Readonly<Record<string, string>> {
  const entries = Object.entries(child(from, name, path));
  if (entries.length > max) throw new ParseError(`${path}.${name}`, `a map of at most ${max} entries`);
  const map: Record<string, string> = Object.create(null);
  for (const [key, value] of entries) {
    if (typeof value !== "string" || key.length > 317 || value.length > 253) {
      throw new ParseError(`${path}.${name}`, "a map of labels");
    }
    map[key] = value;
  }
  return map;
}

/** An object's name: RFC 1123 labels with dots, as DNS and paths take it. @throws ParseError */
export function dnsName(from: Json, name: string, path: string): string {
  const value = text(from, name, path);
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value)) throw new ParseError(`${path}.${name}`, "a DNS name");
  return value;
}
