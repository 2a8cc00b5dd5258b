/**
 * The names worker: DNS and its heartbeat, in a thread of their own, so that the data path never delays a name. The heartbeat comes
 * from the loop that answers: when the loop hangs, the hook lets queries pass.
 */
import { Beat } from "../ffi/bpf/mmap.ts";
import { Channel, type MessageSide } from "../threads/channel.ts";
import { CapturedAddresses } from "./captured_addresses.ts";
import { OwnNetworks } from "./own_networks.ts";
import type { NamesCalls, NamesReports } from "./protocol.ts";
import { RebindingFilter } from "./server/rebinding.ts";
import { StubListeners } from "./server/stub_listeners.ts";
import { Zone } from "./zone/zone.ts";

/** Milliseconds between beats: a quarter of what the hook allows (2 s). */
const BEAT_MS = 500;
/** The map's entry for its only writer. */
const WRITER = 0;

/** Parts that tests replace. */
export interface NamesWorkerParts {
  readonly openBeat?: (fd: number) => Pick<Beat, "beat" | typeof Symbol.dispose>;
  /** The nameservers' port; 53 by default. */
  readonly port?: number;
}

/**
 * Answers the main thread on `side` from now on. In a Worker everything ends with its thread; tests, which run it in their own
 * thread, dispose of the result.
 */
export function startNamesWorker(
  side: MessageSide,
  parts: NamesWorkerParts = {},
): AsyncDisposable & { log(message: string): void } {
  const networks = new OwnNetworks();
  const captured = new CapturedAddresses();
  const zone = new Zone({
    forbidden: (address) => networks.forbids(address),
    isReached: (cluster, address) => captured.leadsTo(cluster, address),
  });
  const rebinding = new RebindingFilter((address) => captured.has(address));
  const stubs = new StubListeners({ zone, networks, rebinding, ...(parts.port ? { port: parts.port } : {}) });
  const heartbeat = new Heartbeat(parts.openBeat ?? ((fd) => new Beat(fd)));
  const channel = new Channel<NamesCalls, NamesReports>(
    side,
    {
      stubs: (wanted) => stubs.set(wanted),
      zone: (data) => zone.set(data),
      change: (change) => zone.change(change),
      gone: (cluster) => zone.delete(cluster),
      captured: (change) => captured.change(change),
      custom: (domains) => zone.setCustom(domains),
      allow: (domains) => rebinding.allow(domains),
      surroundings: (surroundings) => zone.setSurroundings(surroundings),
      beat: (fd) => heartbeat.start(fd),
      ping: () => {},
      leftOut: (names) => stubs.leftOut(names),
      stats: () => ({ ...stubs.stats, rebinding: rebinding.names }),
    } satisfies NamesCalls,
  );
  return {
    log: (message) => void channel.call("log", message).catch(() => {}), // the daemon is ending
    async [Symbol.asyncDispose]() {
      heartbeat.stop();
      await stubs[Symbol.asyncDispose]();
    },
  };
}

/** Writes the heartbeat, into one map at a time. */
class Heartbeat {
  readonly #open: NonNullable<NamesWorkerParts["openBeat"]>;
  #stop: (() => void) | undefined;

  constructor(open: NonNullable<NamesWorkerParts["openBeat"]>) {
    this.#open = open;
  }

  start(fd: number): void {
    const beat = this.#open(fd);
    this.stop();
    beat.beat(WRITER);
    const timer = setInterval(() => beat.beat(WRITER), BEAT_MS);
    this.#stop = () => {
      clearInterval(timer);
      beat[Symbol.dispose]();
    };
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
