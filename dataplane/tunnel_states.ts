import type { TunnelNews } from "./protocol.ts";

/**
 * Joins what several workers report of their tunnels to one cluster: it is connected once all of them are, since each
 * carries connections of its own.
 */
export class TunnelStates {
  readonly #workers: number;
  readonly #report: (news: TunnelNews) => void;
  /** By cluster: the workers whose tunnel is up. */
  readonly #connected = new Map<string, Set<number>>();

  constructor(workers: number, report: (news: TunnelNews) => void) {
    this.#workers = workers;
    this.#report = report;
  }

  report(worker: number, news: TunnelNews): void {
    const connected = this.#connected.get(news.cluster) ?? new Set();
    this.#connected.set(news.cluster, connected);
    if (news.state === "connecting") connected.delete(worker);
    if (news.state === "connected") connected.add(worker);
    if (news.state !== "connected" || connected.size === this.#workers) this.#report(news);
  }

  forget(cluster: string): void {
    this.#connected.delete(cluster);
  }
}
