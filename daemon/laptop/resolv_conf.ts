/** The laptop's resolver configuration: /etc/resolv.conf (man 5 resolv.conf), read and watched; never written. */
import { sleep } from "../../async/sleep.ts";
import type { Resolver } from "../../checks/parts.ts";
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { isLinkLocal } from "../../net/special_ranges.ts";

export const RESOLV_CONF = "/etc/resolv.conf";
/** Characters of a resolv.conf that are read. */
const LONGEST = 64 * 1024;
/** glibc takes three; others take more. */
const MOST_NAMESERVERS = 16;
/** Milliseconds between two looks at the file. */
const EVERY_MS = 500;
/** Milliseconds after which a changed file that is still the same counts as written. */
const SETTLE_MS = 50;
/** Search domains, as glibc since 2.26 has no limit. */
const MOST_DOMAINS = 64;
/** A name or number of an interface (RFC 4007 §11.2). */
const ZONE = /^[^\s/%]{1,15}$/;

/** glibc takes no nameserver of a line that is indented, or ends as Windows' do; Go's and musl's resolvers do. */
const GLIBC_LINE = /^nameserver[ \t]+[^;#\s]+(?:[;# \t]|$)/;

export interface ResolvConf {
  /** Canonical addresses, in order, each once; an IPv6 link-local one with its zone ("fe80::1%eth0"). */
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads the text of a resolv.conf; what it doesn't know it leaves out, as resolvers do. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers = new Set<string>();
  let isGlibcServed = false;
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.slice(0, LONGEST).split("\n")) {
    const [keyword, ...values] = line.replace(/[#;].*/, "").trim().split(/\s+/);
    if (keyword === "nameserver") {
      const { address, zone } = parseNameserver(values[0] ?? "");
      if (address && nameservers.size < MOST_NAMESERVERS) {
        nameservers.add(zone === undefined ? address.text : `${address.text}%${zone}`);
        isGlibcServed ||= GLIBC_LINE.test(line);
      }
    } else if (keyword === "search") search = values;
    else if (keyword === "domain") search = values.slice(0, 1);
    else if (keyword === "options") options.push(...values);
  }
  const domains = search.map((domain) => domain.replace(/\.$/, "").toLowerCase()).filter((domain) =>
    domain !== ""
  );
  // Without a nameserver, resolvers ask the machine itself.
  if (!isGlibcServed) nameservers.add("127.0.0.1");
  return {
    nameservers: [...nameservers],
    search: domains.slice(0, MOST_DOMAINS),
    options: options.slice(0, 64),
  };
}

/** A nameserver's address, and the interface that it is on where it needs one: that of a link-local address. */
function parseNameserver(text: string): { readonly address: IpAddress | undefined; readonly zone?: string } {
  const [plain = "", zone = ""] = text.split("%");
  const address = parseAddress(plain);
  const needsZone = address?.family === 6 && isLinkLocal(address);
  return { address, ...(needsZone && ZONE.test(zone) ? { zone } : {}) };
}

/**
 * The nameservers whose queries can be sent to a stub. Not an IPv6 link-local one without its interface, which no program reaches, nor
 * one whose address is on several: what tells them apart isn't seen by the hooks.
 */
export function redirectable(nameservers: readonly string[]): string[] {
  return nameservers.filter((text) => {
    const { address, zone } = parseNameserver(text);
    if (!address) return false;
    if (address.family === 4 || !isLinkLocal(address)) return true;
    return zone !== undefined && nameservers.filter((one) => one.startsWith(`${address.text}%`)).length === 1;
  });
}

/** What resolv.conf says now, and which nameservers a stub can answer for. */
export async function readResolver(path: string = RESOLV_CONF): Promise<Resolver> {
  const { nameservers, search } = parseResolvConf(await readOrEmpty(path));
  const stubbed = redirectable(nameservers);
  return {
    nameservers: nameservers.map((address) => ({ address, canRedirect: stubbed.includes(address) })),
    search,
    hostname: Deno.hostname(),
  };
}

export interface ResolvConfWatchOptions {
  readonly path?: string;
  readonly signal: AbortSignal;
  /** How often to look, in milliseconds. */
  readonly everyMs?: number;
}

/**
 * The configuration now, and again whenever it has become another one, until `signal`. A file that isn't there counts as empty
 * (man 5 resolv.conf). It's read and not watched: Deno.watchFs says nothing of a link that is made, and the file may be a link into
 * a folder that comes and goes.
 */
export async function* watchResolvConf(
  { path = RESOLV_CONF, signal, everyMs = EVERY_MS }: ResolvConfWatchOptions,
): AsyncGenerator<ResolvConf> {
  let [seen, last]: [string | undefined, string] = [undefined, ""];
  while (!signal.aborted) {
    const text = await readOrEmpty(path);
    if (text !== seen) {
      const isFirst = seen === undefined;
      seen = text;
      if (!isFirst) {
        // The file may be written in more than one step.
        await sleep(SETTLE_MS, signal);
        if (await readOrEmpty(path) !== text) continue;
      }
      const conf = parseResolvConf(text);
      const now = JSON.stringify(conf);
      if (now !== last && !signal.aborted) {
        last = now;
        yield conf;
      }
    }
    await sleep(everyMs, signal);
  }
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}
