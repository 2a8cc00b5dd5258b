/** A match in words, and how to send a request that it takes. */
import type { InterceptEntry } from "../wire/control.ts";
import type { Match, NamedMatch, TextMatch } from "../wire/match.ts";

/** What an intercept takes, in words. */
export function takesWords({ match, mine, mirror }: InterceptEntry): string {
  if (mine) return "this machine's own connections";
  return mirror ? `a copy of ${matchWords(match)}` : matchWords(match);
}

/** "host alice.shop.example, header x-user: alice"; all of them where there is no match. */
export function matchWords(match: Match | undefined): string {
  if (match === undefined) return "all connections";
  const words = [
    ...list("host", match.hosts),
    ...list("path", match.paths?.map(pathWords)),
    ...list("method", match.methods),
    ...namedWords("header", match.headers),
    ...namedWords("cookie", match.cookies),
    ...namedWords("baggage", match.baggage),
    ...list(
      "gRPC",
      match.grpc?.map(({ service, method }) => method === undefined ? service : `${service}/${method}`),
    ),
    ...list(
      "from",
      match.callers?.map(({ namespace, labels = {} }) =>
        [namespace, Object.entries(labels).map((pair) => pair.join("=")).join()].filter((part) => part !== "")
          .join("/")
      ),
    ),
  ];
  return words.join(", ");
}

/**
 * A command line that sends a request which the intercept takes.
 * @param here this machine's programs reach the Service
 * @param proxy the address of pmz's proxy, where they reach it by that alone
 */
export function curlLine(
  { match = {}, service, namespace, port, portName, domain }: InterceptEntry,
  here: boolean,
  proxy?: string,
): string {
  const host = (domain ?? match.hosts?.[0])?.replace("*", "any");
  const isNamed = host !== undefined && here && host === domain;
  const scheme = /^(https|tls)\b/.test(portName ?? "") || port === 443 ? "https" : "http";
  const server = `${service}.${namespace}.svc`;
  // Of TLS the server's name is all that can be seen, so the URL has to have it.
  const isConnected = scheme === "https" && host !== undefined && !isNamed;
  const authority = `${isNamed || isConnected ? host : server}${
    port === (scheme === "http" ? 80 : 443) ? "" : `:${port}`
  }`;
  const [path, method, call] = [match.paths?.[0], match.methods?.[0], match.grpc?.[0]];
  const target = call !== undefined
    ? `/${call.service}/${call.method ?? "Any"}`
    : path === undefined
    ? "/"
    : example(path);
  const words = [
    ...(call === undefined ? [] : [EMPTY_MESSAGE, "|"]),
    "curl",
    ...(proxy === undefined ? [] : ["-x", quoted(`socks5h://${proxy}`)]),
    ...(scheme === "https" ? ["-k"] : []),
    ...(isConnected ? ["--connect-to", quoted(`${host}:${port}:${server}:${port}`)] : []),
    ...(call !== undefined ? GRPC_CALL : []),
    ...(call === undefined && /^(grpc|h2c|http2)\b/.test(portName ?? "") ? [PRIOR_KNOWLEDGE] : []),
    ...(method === undefined || method === "GET" || call !== undefined
      ? []
      : method === "HEAD"
      ? ["-I"]
      : ["-X", quoted(method)]),
    ...(host === undefined || isNamed || isConnected ? [] : ["-H", quoted(`Host: ${host}`)]),
    ...firsts(match.headers).flatMap((one) => ["-H", quoted(headerLine(one))]),
    ...(match.baggage ? ["-H", quoted(`baggage: ${firsts(match.baggage).map(pair).join()}`)] : []),
    ...(match.cookies ? ["-b", quoted(firsts(match.cookies).map(pair).join("; "))] : []),
    ...(/[[\]{}]/.test(target) ? ["-g"] : []), // curl takes them for patterns
    quoted(`${scheme}://${authority}${target}`),
  ];
  return words.join(" ");
}

/** curl begins with HTTP/2: it doesn't ask whether the server speaks it. */
const PRIOR_KNOWLEDGE = "--http2-prior-knowledge";
/** As curl takes it: one without a value ends with a semicolon. */
function headerLine(match: NamedMatch): string {
  const value = example(match);
  return value === "" ? `${match.name};` : `${match.name}: ${value}`;
}

/** A gRPC message without fields: not compressed, no bytes. */
const EMPTY_MESSAGE = "printf '\\0\\0\\0\\0\\0'";
/** Sends it as a call, and shows the answer's headers and trailers, since its content isn't text. */
const GRPC_CALL = [
  PRIOR_KNOWLEDGE,
  ...["-H", "'content-type: application/grpc'"],
  ...["-H", "'te: trailers'"],
  ...["--data-binary", "@-", "-D", "-", "-o", "/dev/null"],
];

/** A bookmark that gives the page's site the cookies that the match takes; undefined where it takes none. */
export function bookmarklet({ match }: InterceptEntry): string | undefined {
  if (match?.cookies === undefined) return undefined;
  const set = firsts(match.cookies).map((one) => `document.cookie=${JSON.stringify(`${pair(one)}; path=/`)}`);
  return `javascript:void(${set.join(",")})`.replaceAll("%", "%25"); // a browser decodes what follows the colon
}

/** "bob takes header x-user: bob (yours come first where both match)" */
export function othersWords({ others }: InterceptEntry): string {
  if (others.length === 0) return "nobody else has rules there";
  return others.map(({ user, by, match, mirror, first, overlaps }) => {
    const where = by === undefined ? "" : ` by Service ${by}`;
    if (mirror) return `${user} gets a copy of ${matchWords(match)}${where}`;
    const order = first ? "theirs comes first where both match" : "yours comes first where both match";
    return `${user} takes ${match === undefined ? "all the rest" : matchWords(match)}${where}${
      overlaps && match !== undefined ? ` (${order})` : ""
    }`;
  }).join("; ");
}

function list(word: string, all: readonly string[] | undefined): string[] {
  return all === undefined ? [] : [`${word} ${all.join(" or ")}`];
}

function pathWords(path: TextMatch): string {
  return "prefix" in path ? `${path.prefix} and below` : "exact" in path ? path.exact : path.glob;
}

/** One of each name; values of one name are alternatives. */
function namedWords(word: string, all: readonly NamedMatch[] = []): string[] {
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, values]) =>
    `${word} ${name}: ${values.map((one) => "prefix" in one ? `${one.prefix}*` : written(one)).join(" or ")}`
  );
}

function written(match: TextMatch): string {
  return "exact" in match ? match.exact : "glob" in match ? match.glob : match.prefix;
}

/** A text that it holds for. */
function example(match: TextMatch): string {
  return "glob" in match ? match.glob.replaceAll("*", "x") : written(match);
}

function pair(match: NamedMatch): string {
  return `${match.name}=${example(match)}`;
}

function firsts(all: readonly NamedMatch[] = []): NamedMatch[] {
  return [...Map.groupBy(all, ({ name }) => name).values()].flatMap(([first]) => first ?? []);
}

/** As a shell takes it: in single quotes unless it has no special character. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9@%+:,./_-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
