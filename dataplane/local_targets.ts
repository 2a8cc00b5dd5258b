import type { LocalTarget, RuleCounts } from "./protocol.ts";

/** A rule's way on this laptop and the connections that took it. */
export class Intercepted {
  readonly target: LocalTarget;
  readonly #count: { open: number; total: number };

  constructor(target: LocalTarget, before?: Intercepted) {
    this.target = target;
    this.#count = before === undefined ? { open: 0, total: 0 } : before.#count;
  }

  get count(): RuleCounts {
    return { rule: this.target.rule, ...this.#count };
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

  get(rule: string, port: number): Intercepted | undefined {
    const found = this.#all.get(rule);
    return found?.target.port === port ? found : undefined;
  }

  counts(): RuleCounts[] {
    return [...this.#all.values()].map(({ count }) => count);
  }
}
