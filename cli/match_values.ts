/** What the options of a personal intercept say: "x-user=alice", "/cart", "shop/app=web", "2h". */
import { message, text, value } from "@optique/core/message";
import type { ValueParser } from "@optique/core/valueparser";
import { type CallerMatch, type GrpcMatch, match, type NamedMatch, type TextMatch } from "../wire/match.ts";
import { valueOf } from "./values.ts";

/** A value that has a `*` is a pattern. */
function textMatch(input: string): TextMatch {
  return input.includes("*") ? { glob: input } : { exact: input };
}

/** Reads "name=value", and "name" for any value; undefined when it isn't one. */
export function parseNamed(input: string, list: "headers" | "cookies" | "baggage"): NamedMatch | undefined {
  const at = input.search(list === "headers" ? /[=:]/ : "=");
  const given = at < 0 ? input : input.slice(0, at);
  const name = list === "headers" ? given.trim().toLowerCase() : given.trim();
  const wanted = at < 0 ? "*" : input.slice(at + 1).trim();
  if (list === "cookies" && wanted.includes(";")) return undefined; // it ends a cookie
  return valid({ [list]: [{ name, ...textMatch(wanted) }] })?.[list]?.[0];
}

/** Reads "/cart" for that path and all below it, "=/cart" for it alone, "/cart/*" as a pattern; undefined when it isn't one. */
export function parsePath(input: string): TextMatch | undefined {
  const wanted = input.startsWith("=")
    ? { exact: input.slice(1) }
    : input.includes("*")
    ? { glob: input }
    : { prefix: input };
  return valid({ paths: [wanted] })?.paths?.[0];
}

/** Reads "shop", "shop/app=web,tier=front"; undefined when it isn't one. */
export function parseCaller(input: string): CallerMatch | undefined {
  const [namespace = "", ...rest] = input.split("/");
  const pairs = rest.join("/").split(",").filter((pair) => pair !== "").map((pair) => pair.split("=", 2));
  if (rest.length > 0 && (pairs.length === 0 || pairs.some(({ length }) => length < 2))) return undefined;
  const labels = pairs.length === 0 ? {} : { labels: Object.fromEntries(pairs) };
  return valid({ callers: [{ namespace, ...labels }] })?.callers?.[0];
}

/** Reads "shop.v1.Cart", "shop.v1.Cart/AddItem"; undefined when it isn't one. */
export function parseGrpc(input: string): GrpcMatch | undefined {
  const [service, method, ...more] = input.replace(/^\//, "").split("/");
  if (more.length > 0) return undefined;
  return valid({ grpc: [{ service, ...(method === undefined ? {} : { method }) }] })?.grpc?.[0];
}

/** Reads "90s", "30m", "2h", "1d" as seconds; undefined when it isn't one. */
export function parseTime(input: string): number | undefined {
  const [, count, unit = ""] = /^([1-9][0-9]{0,6})([smhd])$/.exec(input) ?? [];
  const seconds = Number(count) * ({ s: 1, m: 60, h: 3_600, d: 86_400 }[unit] ?? NaN);
  return seconds <= 30 * 86_400 ? seconds : undefined;
}

function valid(raw: object) {
  try {
    return match.parse(raw, "");
  } catch {
    return undefined;
  }
}

/** NAME=VALUE */
export function named(list: "headers" | "cookies", example: string): ValueParser<"sync", NamedMatch> {
  return valueOf(
    "NAME=VALUE",
    { name: "x", exact: "" },
    (input) => parseNamed(input, list),
    (of) => `${of.name}=${"exact" in of ? of.exact : "glob" in of ? of.glob : of.prefix}`,
    (input) => message`${value(input)} is not a valid name and value: expected ones such as ${example}.`,
  );
}

/** PATH */
export function path(): ValueParser<"sync", TextMatch> {
  return valueOf(
    "PATH",
    { prefix: "/" },
    parsePath,
    (of) => "exact" in of ? `=${of.exact}` : "glob" in of ? of.glob : of.prefix,
    (input) =>
      message`${
        value(input)
      } is not a valid path: expected one such as /cart (and all below it), =/cart (it alone) or ${
        text("'/cart/*/items'")
      }, without a query.`,
  );
}

/** METHOD */
export function method(): ValueParser<"sync", string> {
  return valueOf(
    "METHOD",
    "GET",
    (input) => valid({ methods: [input] })?.methods?.[0]?.toUpperCase(),
    (of) => of,
    (input) => message`${value(input)} is not a valid method: expected one such as GET.`,
  );
}

/** NS[/LABEL=VALUE,...] */
export function caller(): ValueParser<"sync", CallerMatch> {
  return valueOf(
    "NS[/LABEL=VALUE]",
    { namespace: "default" },
    parseCaller,
    ({ namespace, labels }) =>
      labels === undefined
        ? namespace
        : `${namespace}/${Object.entries(labels).map((pair) => pair.join("=")).join()}`,
    (input) => message`${value(input)} is not a valid caller: expected one such as shop or shop/app=web.`,
  );
}

/** SERVICE[/METHOD] */
export function grpc(): ValueParser<"sync", GrpcMatch> {
  return valueOf(
    "SERVICE[/METHOD]",
    { service: "shop.v1.Cart" },
    parseGrpc,
    ({ service, method }) => method === undefined ? service : `${service}/${method}`,
    (input) =>
      message`${
        value(input)
      } is not a valid gRPC service: expected one such as shop.v1.Cart or shop.v1.Cart/AddItem.`,
  );
}

/** TIME */
export function time(): ValueParser<"sync", number> {
  return valueOf(
    "TIME",
    3_600,
    parseTime,
    (seconds) => `${seconds}s`,
    (input) => message`${value(input)} is not a valid time: expected one such as 30m, 2h or 1d, up to 30d.`,
  );
}
