/** The laptop's resolver configuration: /etc/resolv.conf (man 5 resolv.conf), read and watched; never written. */
import { sleep } from "../../async/sleep.ts";
import type { Resolver } from "../../checks/parts.ts";
import { parseAddress } from "../../net/address.ts";
import { isLinkLocal } from "../../net/special_ranges.ts";

export const RESOLV_CONF = "/etc/resolv.conf";
/** Characters of a resolv.conf that are read. */
const LONGEST = 64 * 1024;
/** glibc takes three; others take more. */
const MOST_NAMESERVERS = 16;
/** Search domains, as glibc since 2.26 has no limit. */
const MOST_DOMAINS = 64;

export interface ResolvConf {
  /** Canonical addresses, in order, each once. Link-local ones have their zone left out ("fe80::1"). */
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads the text of a resolv.conf; what it doesn't know it leaves out, as resolvers do. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers = new Set<string>();
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.slice(0, LONGEST).split("\n")) {
    const [keyword, ...values] = line.replace(/[#;].*/, "").trim().split(/\s+/);
    if (keyword === "nameserver") {
      const address = parseAddress(values[0]?.replace(/%.*/, "") ?? "");
      if (address && nameservers.size < MOST_NAMESERVERS) nameservers.add(address.text);
    } else if (keyword === "search") search = values;
    else if (keyword === "domain") search = values.slice(0, 1);
    else if (keyword === "options") options.push(...values);
  }
  const domains = search.map((domain) => domain.replace(/\.$/, "").toLowerCase()).filter((domain) =>
    domain !== ""
  );
  // Without a nameserver, resolvers ask the machine itself.
  if (nameservers.size === 0) nameservers.add("127.0.0.1");
  return {
    nameservers: [...nameservers],
    search: domains.slice(0, MOST_DOMAINS),
    options: options.slice(0, 64),
  };
}

/** Whether queries to this nameserver can be sent to a stub: not where its address needs an interface (link-local). */
export function canRedirect(nameserver: string): boolean {
  const address = parseAddress(nameserver);
  return address !== undefined && !isLinkLocal(address);
}

/** What resolv.conf says now, and which nameservers a stub can answer for. */
export async function readResolver(path: string = RESOLV_CONF): Promise<Resolver> {
  const { nameservers, search } = parseResolvConf(await readOrEmpty(path));
  return {
    nameservers: nameservers.map((address) => ({ address, canRedirect: canRedirect(address) })),
    search,
    hostname: Deno.hostname(),
  };
}

export interface ResolvConfWatchOptions {
  readonly path?: string;
  readonly signal: AbortSignal;
  /** How often to look anyhow, in milliseconds: the file may be a link into a folder that comes and goes. */
  readonly everyMs?: number;
}

/**
 * The configuration now, and again whenever it has become another one, until `signal`. A file that isn't there counts as empty
 * (man 5 resolv.conf).
 */
export async function* watchResolvConf(
  { path = RESOLV_CONF, signal, everyMs = 10_000 }: ResolvConfWatchOptions,
): AsyncGenerator<ResolvConf> {
  let [last, wake] = ["", Promise.withResolvers<void>()];
  const stop = () => wake.resolve();
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      wake = Promise.withResolvers();
      // Watched before it is read, so that no change falls between.
      using watch = watchFolders(await foldersOf(path), () => wake.resolve());
      const timer = setTimeout(() => wake.resolve(), everyMs);
      try {
        const conf = parseResolvConf(await readOrEmpty(path));
        const text = JSON.stringify(conf);
        if (text !== last && !signal.aborted) {
          last = text;
          yield conf;
        }
        if (!signal.aborted) await wake.promise;
      } finally {
        clearTimeout(timer);
      }
      // The file may be written in more than one step.
      await sleep(50, signal);
      await watch.ended();
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The folders in which a change of the file shows: its own, and the one that it leads to. */
async function foldersOf(path: string): Promise<string[]> {
  const real = await Deno.realPath(path).catch(() => path);
  return [...new Set([path, real].map((file) => file.slice(0, file.lastIndexOf("/")) || "/"))];
}

function watchFolders(
  folders: readonly string[],
  changed: () => void,
): Disposable & { ended(): Promise<void> } {
  let watcher: Deno.FsWatcher | undefined;
  try {
    watcher = Deno.watchFs([...folders], { recursive: false });
  } catch {
    // No inotify left, or no such folder: the timer has to do.
  }
  const running = (async () => {
    for await (const _ of watcher ?? []) changed();
  })().catch(() => {});
  const close = () => {
    watcher?.close();
    watcher = undefined;
  };
  return {
    [Symbol.dispose]: close,
    async ended() {
      close();
      await running;
    },
  };
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}
