import type { LocalTarget, RuleCounts } from "./protocol.ts";
import { dialLocal, LocalRefusal } from "./reversed_tunnel.ts";

/** Where a cluster's intercepted connections go on the laptop, and how many there are. The only place that knows. */
export class LocalTargets {
  readonly #targets = new Map<string, LocalTarget & { open: number; total: number }>();

  /** Replaces all of them; what stays keeps its counts. */
  replace(targets: readonly LocalTarget[]): void {
    const kept = new Map(this.#targets);
    this.#targets.clear();
    for (const target of targets) {
      const before = kept.get(target.rule);
      this.#targets.set(target.rule, { ...target, open: before?.open ?? 0, total: before?.total ?? 0 });
    }
  }

  /** Dials the rule's own end. `done` has to be called when the connection is over. @throws {LocalRefusal} */
  async dial(rule: string, port: number): Promise<{ transport: Deno.TcpConn; done(): void }> {
    const target = this.#targets.get(rule);
    if (!target || target.port !== port) {
      throw new LocalRefusal("destination_ip_prohibited", "no such rule on this laptop");
    }
    const transport = await dialLocal(target.host, target.localPort);
    target.total++;
    target.open++;
    return { transport, done: () => this.#over(rule) };
  }

  #over(rule: string): void {
    const target = this.#targets.get(rule);
    if (target) target.open--;
  }

  counts(): RuleCounts[] {
    return [...this.#targets.values()].map(({ rule, open, total }) => ({ rule, open, total }));
  }
}
