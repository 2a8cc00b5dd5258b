/**
 * The names worker: DNS and the heartbeat, in a thread of their own, so that the data path never keeps a name waiting. The
 * heartbeat comes from the loop that answers: when that hangs, the hook lets queries pass.
 */
import { OwnNetworks } from "./own_networks.ts";
import type { FromNamesWorker, ToNamesWorker } from "./protocol.ts";
import { StandIns } from "./stand_ins.ts";
import { Zone } from "./zone.ts";

/** A quarter of what the hook allows (2 s). */
const BEAT_MS = 500;

/** This end of the worker: `self` in a Worker, a MessagePort in tests. */
export interface WorkerPort {
  postMessage(message: FromNamesWorker): void;
  onmessage: ((event: MessageEvent<ToNamesWorker>) => void) | null;
}

/** The heartbeat in the helper's map. */
export interface Heart extends Disposable {
  /** Writes the time (CLOCK_MONOTONIC). */
  beat(): void;
}

export interface NamesWorkerParts {
  /** Maps the beat map of the helper; the descriptor belongs to the heart from then on. */
  readonly openHeart: (fd: number) => Heart;
  /** Port of the nameservers: 53, but in tests. */
  readonly port?: number;
}

/** Serves `port` from now on, until it is told to stop. Requests are done one after the other, in their order. */
export function startNamesWorker(port: WorkerPort, parts: NamesWorkerParts): void {
  const worker = new NamesWorker(port, parts);
  let last = Promise.resolve();
  port.onmessage = ({ data }) => {
    last = last.then(() => worker.take(data)).catch((error) => {
      port.postMessage({
        kind: "failed",
        request: data.kind,
        why: error instanceof Error ? error.message : `${error}`,
      });
    });
  };
}

class NamesWorker {
  readonly #port: WorkerPort;
  readonly #parts: NamesWorkerParts;
  readonly #zone: Zone;
  readonly #standIns: StandIns;
  #clusters = new Set<string>();
  #heart: { readonly heart: Heart; readonly timer: ReturnType<typeof setInterval> } | undefined;

  constructor(port: WorkerPort, parts: NamesWorkerParts) {
    this.#port = port;
    this.#parts = parts;
    const networks = new OwnNetworks();
    this.#zone = new Zone({ forbidden: (address) => networks.forbids(address) });
    this.#standIns = new StandIns(this.#zone, networks, parts.port);
  }

  async take(message: ToNamesWorker): Promise<void> {
    switch (message.kind) {
      case "start":
        return this.#port.postMessage({ kind: "standIns", ...await this.#standIns.set(message) });
      case "zones":
        for (const cluster of this.#clusters) this.#zone.delete(cluster);
        this.#clusters = new Set(message.zones.map(({ cluster }) => cluster));
        return message.zones.forEach((zone) => this.#zone.set(zone));
      case "zone":
        this.#clusters.add(message.zone.cluster);
        return this.#zone.set(message.zone);
      case "change":
        return this.#zone.change(message.change);
      case "gone":
        this.#clusters.delete(message.cluster);
        return this.#zone.delete(message.cluster);
      case "custom":
        return this.#zone.setCustom(message.domains);
      case "surroundings":
        return this.#zone.setSurroundings(message.surroundings);
      case "beat":
        return this.#startHeart(message.fd);
      case "stats":
        return this.#port.postMessage({ kind: "stats", stats: this.#standIns.stats });
      case "stop":
        this.#stopHeart();
        await this.#standIns[Symbol.asyncDispose]();
        this.#port.onmessage = null;
        return this.#port.postMessage({ kind: "stopped" });
    }
  }

  #startHeart(fd: number): void {
    this.#stopHeart();
    const heart = this.#parts.openHeart(fd);
    heart.beat();
    this.#heart = { heart, timer: setInterval(() => heart.beat(), BEAT_MS) };
  }

  #stopHeart(): void {
    clearInterval(this.#heart?.timer);
    this.#heart?.heart[Symbol.dispose]();
    this.#heart = undefined;
  }
}
