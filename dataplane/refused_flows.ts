import type { Flow } from "../wire/flow.ts";
import { type Folded, FoldedFlows } from "./folded_flows.ts";
import type { RefusedAttempts } from "./protocol.ts";

/** Flows that are kept, apart from others that failed: a program that tries many ports must not push those out. */
const REFUSED_FLOWS_KEPT = 128;

/** What became of attempts. */
export interface Added extends Folded {
  /** The attempts alone. */
  readonly added: Flow;
}

/** Connections that the laptop's kernel refused. */
export class RefusedFlows {
  readonly #folded = new FoldedFlows(REFUSED_FLOWS_KEPT);

  /** The last refused one last. */
  get flows(): Flow[] {
    return this.#folded.flows;
  }

  add(attempts: RefusedAttempts, nextId: () => string): Added {
    const added = flowOf(nextId(), attempts);
    const { flow, isReported } = this.#folded.add(added);
    return { flow, added: { ...added, id: flow.id }, isReported };
  }
}

function flowOf(id: string, attempts: RefusedAttempts): Flow {
  const { protocol, cluster, to, virtual, name, from, program, error, details, first, last, times } =
    attempts;
  return {
    id,
    kind: "captured",
    protocol,
    from,
    program,
    to,
    ...(virtual === undefined ? {} : { virtual }),
    ...(name === undefined ? {} : { name }),
    cluster,
    started: new Date(first).toISOString(),
    ms: Math.max(0, last - first),
    sent: 0,
    received: 0,
    outcome: { kind: "refused", by: "laptop", error, details },
    ...(times > 1 ? { times } : {}),
  };
}
