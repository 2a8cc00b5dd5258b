import { sleep } from "../../async/sleep.ts";
import { NetworkMonitor } from "../../ffi/netlink/monitor.ts";
import { Netlink } from "../../ffi/netlink/netlink.ts";
import { type OwnParts, pathsChanged, readPaths } from "../../ffi/netlink/paths.ts";
import type { Log } from "./log.ts";
import { FIRST_TABLE, isTableOfPmz, SLOTS } from "../../wire/helper.ts";

/** Changes within this count as one, in milliseconds: a VPN that starts makes dozens. */
const SETTLE_MS = 20;
/** Milliseconds between two calls at least. */
const PAUSE_MS = 30;

const own: OwnParts = { isDevice: (name) => /^pmz[0-9]+$/.test(name), isTable: isTableOfPmz };

/**
 * Calls `changed` when the ways out of this machine have changed: another address, another Wi-Fi, a VPN that comes or goes, a cable that
 * is back. Connections may have died unseen then. Where the kernel tells nothing of its network, that is logged, and nothing is called.
 */
export function watchPaths(
  changed: () => void,
  log: Log,
  { settleMs = SETTLE_MS, pauseMs = PAUSE_MS } = {},
): AsyncDisposable {
  try {
    const watch = new PathWatch(changed, { settleMs, pauseMs });
    watch.broken.catch((error) => log("warn", "the machine's network isn't followed any longer", { error }));
    return watch;
  } catch (error) {
    log("warn", "the machine's network can't be followed", { error });
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
}

interface Times {
  readonly settleMs: number;
  readonly pauseMs: number;
}

class PathWatch implements AsyncDisposable {
  readonly #netlink: Netlink;
  readonly #monitor: NetworkMonitor;
  readonly #ending = new AbortController();
  /** Settles when this is disposed of; rejects when it ends by itself. */
  readonly broken: Promise<void>;

  constructor(changed: () => void, times: Times) {
    using stack = new DisposableStack();
    this.#netlink = stack.use(new Netlink());
    this.#monitor = new NetworkMonitor({ without: { first: FIRST_TABLE, count: SLOTS } });
    stack.move();
    this.broken = this.#follow(changed, times);
  }

  async #follow(changed: () => void, { settleMs, pauseMs }: Times): Promise<void> {
    const { signal } = this.#ending;
    let before = this.#look();
    while (await this.#monitor.changed()) {
      await sleep(settleMs, signal);
      const after = this.#look();
      const isNews = !before || !after || pathsChanged(before, after);
      before = after;
      if (!isNews || signal.aborted) continue;
      changed();
      await sleep(pauseMs, signal);
    }
  }

  /** Undefined where that changes faster than it can be read. */
  #look(): Set<string> | undefined {
    try {
      return readPaths(this.#netlink, own);
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#monitor[Symbol.asyncDispose]();
    await this.broken.catch(() => {}); // told already
    this.#netlink[Symbol.dispose]();
  }
}
