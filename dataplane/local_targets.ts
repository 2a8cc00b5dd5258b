import type { TcpConnection } from "../ffi/sockets/tcp_connection.ts";
import type { LocalTarget, RuleCounts } from "./protocol.ts";
import { dialLocal, LocalRefusal } from "./local_target.ts";

/** Connections of a rule: one object for as long as the rule is there, whatever else of it changes. */
interface Count {
  open: number;
  total: number;
}

/** Where a cluster's intercepted connections go on the laptop, and how many there are. The only place that knows. */
export class LocalTargets {
  #targets = new Map<string, { readonly target: LocalTarget; readonly count: Count }>();

  /** Replaces all of them; what stays keeps its counts. */
  replace(targets: readonly LocalTarget[]): void {
    this.#targets = new Map(targets.map((target) => {
      const count = this.#targets.get(target.rule)?.count ?? { open: 0, total: 0 };
      return [target.rule, { target, count }];
    }));
  }

  /** Dials the rule's own end. `done` has to be called when the connection is over. @throws {LocalRefusal} */
  async dial(rule: string, port: number): Promise<{ transport: TcpConnection; done(): void }> {
    const found = this.#targets.get(rule);
    if (!found || found.target.port !== port) {
      throw new LocalRefusal("destination_ip_prohibited", "no such rule on this laptop");
    }
    const { target, count } = found;
    const transport = await dialLocal(target.host, target.localPort);
    count.total++;
    count.open++;
    return { transport, done: () => void count.open-- };
  }

  counts(): RuleCounts[] {
    return [...this.#targets].map(([rule, { count }]) => ({ rule, ...count }));
  }
}
