import { createHash } from "node:crypto";
import { parseAddress } from "../net/address.ts";
import { contains } from "../net/range.ts";
import { privateRanges, specialRanges } from "../net/special_ranges.ts";
import type { LeaveOut } from "../logs/secrets.ts";

/** Hexadecimal digits of a hash: enough to tell a person's clusters apart. */
const DIGITS = 10;
/** Shorter names would take ordinary words with them. */
const SHORTEST = 3;

/** What a report doesn't name as it is. */
export interface HiddenNames {
  /** URLs of API servers. */
  readonly servers: readonly string[];
  /** Users as kubeconfigs name them. */
  readonly users: readonly string[];
  readonly home: string | undefined;
  readonly hostname: string;
}

/**
 * Leaves secrets out of text, and hides what is whose: an API server's host becomes a hash of it, a kubeconfig's user and a public
 * address too, the home folder "~", this machine's name "laptop".
 */
export function hiding(names: HiddenNames, leaveOut: LeaveOut): (text: string) => string {
  const replaced = new Map<string, string>();
  for (const server of names.servers) {
    const host = hostOf(server);
    if (host !== undefined && !isLocal(host)) replaced.set(host, `server-${hash(host)}`);
  }
  for (const user of names.users) replaced.set(user, `user-${hash(user)}`);
  if (names.home !== undefined) replaced.set(names.home, "~");
  if (names.hostname !== "localhost") replaced.set(names.hostname, "laptop");
  const words = [...replaced].filter(([word]) => word.length >= SHORTEST)
    .sort(([one], [other]) => other.length - one.length)
    .map(([word, by]) => ({ pattern: wholeWord(word), by }));
  return (text) => {
    let hidden = leaveOut(text);
    for (const { pattern, by } of words) hidden = hidden.replace(pattern, () => by);
    return hidden.replace(ADDRESS, (found) => isPublic(found) ? `public-${hash(found)}` : found);
  };
}

/** The same for every text of a value. */
export function hideIn(value: unknown, hide: (text: string) => string): unknown {
  if (typeof value === "string") return hide(value);
  if (Array.isArray(value)) return value.map((one) => hideIn(one, hide));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [hide(name), hideIn(one, hide)]));
}

/** The host of a URL without its port; undefined where it has none. */
export function hostOf(url: string): string | undefined {
  return URL.parse(url)?.hostname || undefined;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, DIGITS);
}

/** A name where no letter, digit or hyphen continues it. */
function wholeWord(word: string): RegExp {
  const literal = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![A-Za-z0-9-])${literal}(?![A-Za-z0-9-])`, "gi");
}

const ADDRESS =
  /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)|(?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{3,39}(?![\w:]))/gi;

function isPublic(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && !privateRanges.some((range) => contains(range, address)) &&
    !specialRanges.some(({ range }) => contains(range, address));
}

function isLocal(host: string): boolean {
  return host === "localhost" ||
    (parseAddress(host.replace(/^\[|\]$/g, "")) !== undefined && !isPublic(host));
}
