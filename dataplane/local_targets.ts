import type { RequestCounts } from "../wire/request_counts.ts";
import type { LocalTarget, RuleCounts } from "./protocol.ts";

/** A rule's way on this laptop and the connections that took it. */
export class Intercepted {
  readonly target: LocalTarget;
  readonly #count: { open: number; total: number };
  readonly #requests: { seen: number; taken: number; declined: number };

  constructor(target: LocalTarget, before?: Intercepted) {
    this.target = target;
    this.#count = before === undefined ? { open: 0, total: 0 } : before.#count;
    this.#requests = before === undefined ? { seen: 0, taken: 0, declined: 0 } : before.#requests;
  }

  get count(): RuleCounts {
    return { rule: this.target.rule, ...this.#count, requests: { ...this.#requests } };
  }

  /** A node agent has counted requests. */
  counted({ seen, taken, declined }: RequestCounts): void {
    this.#requests.seen += seen;
    this.#requests.taken += taken;
    this.#requests.declined += declined;
  }

  /** A connection reached the program. */
  begin(): void {
    this.#count.open++;
    this.#count.total++;
  }

  end(): void {
    this.#count.open--;
  }
}

/** Where a cluster's intercepted connections go on the laptop: the only place that knows. */
export class LocalTargets {
  #all = new Map<string, Intercepted>();

  /** Replaces all of them; a rule that stays keeps its counts. */
  replace(targets: readonly LocalTarget[]): void {
    this.#all = new Map(
      targets.map((target) => [target.rule, new Intercepted(target, this.#all.get(target.rule))]),
    );
  }

  get(rule: string, port: number, protocol: LocalTarget["protocol"]): Intercepted | undefined {
    const found = this.#all.get(rule);
    return found?.target.port === port && found.target.protocol === protocol ? found : undefined;
  }

  /** Adds what a node agent has counted; of other rules than these it counts nothing. */
  counted(counts: readonly RequestCounts[]): void {
    for (const one of counts) this.#all.get(one.rule)?.counted(one);
  }

  counts(): RuleCounts[] {
    return [...this.#all.values()].map(({ count }) => count);
  }
}
