/**
 * What a personal rule takes of a Service port: requests (or TLS connections) that its matchers hold for. All matchers that
 * are given have to hold; a list holds where one of its members does. Headers, cookies and baggage of different names all
 * have to hold, and those of one name are alternatives. There are no regular expressions: each matcher takes time in
 * proportion to what it looks at.
 */
import { list, matching, NotValid, object, optional, type Schema, value } from "./schema.ts";

/** How a text is compared. `prefix` of a path ends at a "/" or at the path's end; `*` in a glob stands for any characters. */
export type TextMatch = { readonly exact: string } | { readonly prefix: string } | { readonly glob: string };
/** A header, cookie or baggage member, and its value. */
export type NamedMatch = { readonly name: string } & TextMatch;

/** Pods that call, by their namespace and labels. */
export interface CallerMatch {
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Calls of a gRPC method, or of all methods of a service. */
export interface GrpcMatch {
  /** With its package: "shop.v1.Cart". */
  readonly service: string;
  readonly method?: string;
}

/** At least one field is given. */
export interface Match {
  /** Of `Host` and of a TLS connection's SNI: "alice.shop.example", or "*.shop.example" for all below it; lower case. */
  readonly hosts?: readonly string[];
  /** Of the path without its query, as it was sent. */
  readonly paths?: readonly TextMatch[];
  readonly methods?: readonly string[];
  /** Names in lower case. */
  readonly headers?: readonly NamedMatch[];
  readonly cookies?: readonly NamedMatch[];
  /** Members of the header `baggage` (W3C Baggage). */
  readonly baggage?: readonly NamedMatch[];
  readonly grpc?: readonly GrpcMatch[];
  readonly callers?: readonly CallerMatch[];
}

/** What a rule takes, if not all connections of a TCP port. */
export interface Taken {
  /** The port is UDP's; absent: TCP's. */
  readonly protocol?: "UDP";
  readonly match?: Match;
  /** The pods answer, and the laptop gets a copy. */
  readonly mirror?: true;
}

/** Limits of a match; install/manifests/crds.yaml has the same. */
export const matchLimits = {
  hosts: 16,
  paths: 16,
  methods: 16,
  named: 8,
  grpc: 16,
  callers: 8,
  labels: 8,
} as const;
/** Wildcards of one glob. */
const MOST_WILDCARDS = 8;

const HOST =
  /^(?=.{1,253}$)(?:\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const LABEL_NAME =
  /^(?=.{1,317}$)([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]";
const headerName = matching(
  "header name",
  "lower-case letters, digits and hyphens",
  /^[!#$%&'*+.^_`|~0-9a-z-]{1,64}$/,
);
const tokenName = matching("name", "letters, digits and hyphens", new RegExp(`^${TOKEN}{1,64}$`));
/** Visible ASCII characters, and spaces between them. */
const VALUE = /^(?:[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?)?$/;
/** Without a query or fragment. */
const PATH = /^\/[\x21\x22\x24-\x3e\x40-\x7e]{0,511}$/;
const PATH_GLOB = /^[/*][\x21\x22\x24-\x3e\x40-\x7e]{0,511}$/;

/** Identifiers of Protocol Buffers. */
const GRPC_SERVICE = /^(?=.{1,253}$)[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;
const GRPC_METHOD = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

const fieldText = matching("value", "up to 512 visible ASCII characters", VALUE);
const fieldGlob = glob("value", VALUE);
const path = matching("path", 'up to 512 characters that begin with "/", without a query', PATH);

/** One of `exact`, `prefix` and `glob`. */
function textMatch(text: Schema<string>, pattern: Schema<string>): Schema<TextMatch> {
  const fields = object({ exact: optional(text), prefix: optional(text), glob: optional(pattern) });
  return {
    expected: "one of exact, prefix and glob",
    parse(raw, field) {
      const { exact, prefix, glob } = fields.parse(raw, field);
      if (exact !== undefined && prefix === undefined && glob === undefined) return { exact };
      if (exact === undefined && prefix !== undefined && glob === undefined) return { prefix };
      if (exact === undefined && prefix === undefined && glob !== undefined) return { glob };
      throw new NotValid(`${field} is not a valid match: expected one of exact, prefix and glob`);
    },
  };
}

function glob(what: string, pattern: RegExp): Schema<string> {
  return value(
    what,
    `up to 512 characters with at most ${MOST_WILDCARDS} "*"`,
    (raw) =>
      typeof raw === "string" && raw !== "" && pattern.test(raw) &&
        raw.split("*").length <= MOST_WILDCARDS + 1
        ? raw
        : undefined,
  );
}

const named = (name: Schema<string>): Schema<NamedMatch> => {
  const [nameOf, text] = [object({ name }), textMatch(fieldText, fieldGlob)];
  return {
    expected: "a name, and one of exact, prefix and glob",
    parse: (raw, field) => ({ ...nameOf.parse(raw, field), ...text.parse(raw, field) }),
  };
};

const labels = value("map of labels", `up to ${matchLimits.labels} labels`, (raw) => {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return undefined;
  const entries: [string, unknown][] = Object.entries(raw);
  if (entries.length === 0 || entries.length > matchLimits.labels) return undefined;
  const valid = entries.filter((entry): entry is [string, string] =>
    LABEL_NAME.test(entry[0]) && typeof entry[1] === "string" && LABEL_VALUE.test(entry[1])
  );
  if (valid.length < entries.length) return undefined;
  return Object.fromEntries(valid.sort(([a], [b]) => a < b ? -1 : 1));
});

/** A list of 1 to `most` values: an empty one would never hold. */
function some<T>(of: Schema<T>, most: number): Schema<readonly T[]> {
  const any = list(of, most);
  return {
    expected: `1 to ${most} values`,
    parse(raw, field) {
      const parsed = any.parse(raw, field);
      if (parsed.length === 0) throw new NotValid(`${field} is empty: expected 1 to ${most} values`);
      return parsed;
    },
  };
}

const fields = object({
  hosts: optional(
    some(matching("host", "a name such as shop.example or *.shop.example", HOST), matchLimits.hosts),
  ),
  paths: optional(some(textMatch(path, glob("path", PATH_GLOB)), matchLimits.paths)),
  methods: optional(
    some(matching("method", "a word such as GET", new RegExp(`^${TOKEN}{1,32}$`)), matchLimits.methods),
  ),
  headers: optional(some(named(headerName), matchLimits.named)),
  cookies: optional(some(named(tokenName), matchLimits.named)),
  baggage: optional(some(named(tokenName), matchLimits.named)),
  grpc: optional(
    some(
      object({
        service: matching("gRPC service", "its name with its package, such as shop.v1.Cart", GRPC_SERVICE),
        method: optional(matching("gRPC method", "a name such as AddItem", GRPC_METHOD)),
      }),
      matchLimits.grpc,
    ),
  ),
  callers: optional(
    some(
      object({
        namespace: matching("namespace", "lower-case letters, digits and hyphens", NAMESPACE),
        labels: optional(labels),
      }),
      matchLimits.callers,
    ),
  ),
});

/** The schema of a match. What it parses always has its fields in the same order. */
export const match: Schema<Match> = {
  expected: "at least one matcher",
  parse(raw, field) {
    const parsed = fields.parse(raw, field);
    if (Object.keys(parsed).length > 0) return parsed;
    throw new NotValid(
      `${field === "" ? "the match" : field} is empty: expected ${Object.keys(empty).join(", ")}`,
    );
  },
};

const empty: Record<keyof Match, true> = {
  hosts: true,
  paths: true,
  methods: true,
  headers: true,
  cookies: true,
  baggage: true,
  grpc: true,
  callers: true,
};

/** The same text for the same match, whatever the order of its fields was. */
export function canonicalMatch(given: Match): string {
  return JSON.stringify(match.parse(given, ""));
}

/** Whether some request could match both, as far as that can be told: `undefined` matches all. */
export function mayOverlap(a: Match | undefined, b: Match | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  const differ = <T>(
    x: readonly T[] | undefined,
    y: readonly T[] | undefined,
    same: (x: T, y: T) => boolean,
  ) => x !== undefined && y !== undefined && !x.some((one) => y.some((other) => same(one, other)));
  if (differ(a.hosts, b.hosts, hostsMeet) || differ(a.methods, b.methods, (x, y) => x === y)) return false;
  if (differ(a.paths, b.paths, (x, y) => textsMeet(x, y))) return false;
  if (differ(a.grpc, b.grpc, grpcMeet)) return false;
  if (differ(a.callers, b.callers, (x, y) => x.namespace === y.namespace)) return false;
  return !([[a.headers, b.headers], [a.cookies, b.cookies], [a.baggage, b.baggage]] as const)
    .some(([x, y]) => valuesDiffer(x, y));
}

/** Whether one name has values in both that can't be the same. A request may have a name twice, but hardly does. */
function valuesDiffer(a: readonly NamedMatch[] = [], b: readonly NamedMatch[] = []): boolean {
  return a.some(({ name }) => {
    const [mine, theirs] = [a, b].map((all) => all.filter((one) => one.name === name));
    return theirs !== undefined && theirs.length > 0 &&
      !mine?.some((one) => theirs.some((other) => textsMeet(one, other)));
  });
}

function hostsMeet(a: string, b: string): boolean {
  const below = (host: string, pattern: string) =>
    pattern.startsWith("*.") && host.endsWith(pattern.slice(1));
  return a === b || below(a, b) || below(b, a);
}

function grpcMeet(a: GrpcMatch, b: GrpcMatch): boolean {
  return a.service === b.service &&
    (a.method === b.method || a.method === undefined || b.method === undefined);
}

function textsMeet(a: TextMatch, b: TextMatch): boolean {
  if ("glob" in a || "glob" in b) return true;
  const [x, y] = [a, b].map((one) => "exact" in one ? one.exact : one.prefix) as [string, string];
  if ("exact" in a && "exact" in b) return x === y;
  return x.startsWith(y) || y.startsWith(x);
}
