/** For tests: what the API server makes of a value by a CRD's schema, as far as pmz's CRDs use schemas. */

/** A part of a CRD's `openAPIV3Schema`. */
export interface JsonSchema {
  readonly type?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema;
  readonly allOf?: readonly JsonSchema[];
  readonly description?: string;
  readonly "x-kubernetes-validations"?: readonly { readonly rule: string; readonly message: string }[];
}

/** The expression by which the names of a map's members are compared, of the only form that `accepts` knows. */
const NAMES = /^self\.all\(name, name\.matches\('(.*)'\)\)$/;

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value without fields that the schema doesn't have, which the API server drops before it looks. */
export function pruned(schema: JsonSchema, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => schema.items ? pruned(schema.items, one) : one);
  const { properties } = schema;
  if (!isMap(value) || !properties) return value;
  const known = Object.entries(value).flatMap(([name, one]) => {
    const of = Object.hasOwn(properties, name) ? properties[name] : undefined;
    return of ? [[name, pruned(of, one)]] : [];
  });
  return Object.fromEntries(known);
}

/** Whether the schema accepts the value. @throws when the schema has an expression that isn't known here */
export function accepts(schema: JsonSchema, value: unknown): boolean {
  if (!isOfType(schema, value)) return false;
  if (!(schema.allOf ?? []).every((one) => accepts(one, value))) return false;
  if (typeof value === "string") return acceptsText(schema, value);
  if (Array.isArray(value)) return acceptsList(schema, value);
  return isMap(value) ? acceptsMap(schema, value) : true;
}

function isOfType({ type }: JsonSchema, value: unknown): boolean {
  if (type === undefined) return true;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isMap(value);
  if (type === "integer") return Number.isInteger(value);
  const known: string = typeof value;
  return known === type;
}

function acceptsText({ minLength = 0, maxLength = Infinity, pattern }: JsonSchema, text: string): boolean {
  const { length } = [...text];
  return length >= minLength && length <= maxLength &&
    (pattern === undefined || new RegExp(pattern).test(text));
}

function acceptsList(
  { minItems = 0, maxItems = Infinity, items }: JsonSchema,
  list: readonly unknown[],
): boolean {
  return list.length >= minItems && list.length <= maxItems &&
    list.every((one) => items === undefined || accepts(items, one));
}

function acceptsMap(schema: JsonSchema, map: Readonly<Record<string, unknown>>): boolean {
  const {
    minProperties = 0,
    maxProperties = Infinity,
    required = [],
    properties = {},
    additionalProperties,
  } = schema;
  const entries = Object.entries(map);
  if (entries.length < minProperties || entries.length > maxProperties) return false;
  if (!required.every((name) => Object.hasOwn(map, name))) return false;
  for (const { rule } of schema["x-kubernetes-validations"] ?? []) {
    const names = NAMES.exec(rule)?.[1];
    if (names === undefined) throw new Error(`an expression of another form: ${rule}`);
    if (!entries.every(([name]) => new RegExp(names).test(name))) return false;
  }
  return entries.every(([name, value]) => {
    const of = (Object.hasOwn(properties, name) ? properties[name] : undefined) ?? additionalProperties;
    return of === undefined || accepts(of, value);
  });
}
