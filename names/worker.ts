/**
 * The names worker: DNS and the heartbeat, in a thread of their own, so that the data path never keeps a name waiting. The
 * heartbeat comes from the loop that answers: when that hangs, the hook lets queries pass.
 */
import { Beat } from "../ffi/bpf/mmap.ts";
import { Channel, type MessageSide } from "../threads/channel.ts";
import { OwnNetworks } from "./own_networks.ts";
import type { NamesCalls, NoCalls } from "./protocol.ts";
import { StandIns } from "./server/stub_listeners.ts";
import { Zone } from "./zone/zone.ts";

/** A quarter of what the hook allows (2 s). */
const BEAT_MS = 500;
/** The map has one writer. */
const WRITER = 0;

/** What tests replace. */
export interface NamesWorkerParts {
  readonly openBeat?: (fd: number) => Pick<Beat, "beat" | typeof Symbol.dispose>;
  /** Port of the nameservers. */
  readonly port?: number;
}

/**
 * Answers the main thread on `side` from now on. The thread that ends takes everything along; disposing is for those who run it in
 * a thread of their own.
 */
export function startNamesWorker(side: MessageSide, parts: NamesWorkerParts = {}): AsyncDisposable {
  const networks = new OwnNetworks();
  const zone = new Zone({ forbidden: (address) => networks.forbids(address) });
  const standIns = new StandIns(zone, networks, parts.port);
  const heartbeat = new Heartbeat(parts.openBeat ?? ((fd) => new Beat(fd)));
  new Channel<NamesCalls, NoCalls>(
    side,
    {
      standIns: (wanted) => standIns.set(wanted),
      zone: (data) => zone.set(data),
      change: (change) => zone.change(change),
      gone: (cluster) => zone.delete(cluster),
      custom: (domains) => zone.setCustom(domains),
      surroundings: (surroundings) => zone.setSurroundings(surroundings),
      beat: (fd) => heartbeat.start(fd),
      stats: () => standIns.stats,
    } satisfies NamesCalls,
  );
  return {
    async [Symbol.asyncDispose]() {
      heartbeat.stop();
      await standIns[Symbol.asyncDispose]();
    },
  };
}

/** Beats in one map at a time. */
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
