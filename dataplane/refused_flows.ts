import type { Flow } from "../wire/flow.ts";
import type { RefusedAttempts } from "./protocol.ts";

/** Flows that are kept, apart from others that failed: a program that tries many ports must not push those out. */
const REFUSED_FLOWS_KEPT = 128;
/** Equal attempts with no longer pause between them are one flow, in milliseconds. */
const PAUSE_MS = 60_000;
/** A flow that continues is reported again after this, in milliseconds. */
const REPORTED_AGAIN_MS = 60_000;

interface Kept {
  readonly key: string;
  readonly id: string;
  readonly first: number;
  /** The last attempts. */
  attempts: RefusedAttempts;
  times: number;
  reported: number;
}

/** What became of attempts. */
export interface Added {
  /** The flow that they belong to, with those before. */
  readonly flow: Flow;
  /** The attempts alone. */
  readonly added: Flow;
  /** Whether the log has to hear of it. */
  readonly isReported: boolean;
}

/** Connections that the laptop's kernel refused. A program that tries again and again is one flow, which counts. */
export class RefusedFlows {
  /** The last refused one last. */
  readonly #kept = new Set<Kept>();
  readonly #byKey = new Map<string, Kept>();

  get flows(): Flow[] {
    return [...this.#kept].map(wholeFlow);
  }

  add(attempts: RefusedAttempts, nextId: () => string): Added {
    const { first, last, times } = attempts;
    const key = keyOf(attempts);
    const before = this.#byKey.get(key);
    const continues = before !== undefined && first - before.attempts.last <= PAUSE_MS;
    const kept = continues ? before : { key, id: nextId(), first, attempts, times: 0, reported: -Infinity };
    kept.attempts = attempts;
    kept.times += times;
    this.#kept.delete(kept);
    this.#kept.add(kept);
    this.#byKey.set(key, kept);
    if (this.#kept.size > REFUSED_FLOWS_KEPT) this.#forgetOldest();
    const isReported = last - kept.reported >= REPORTED_AGAIN_MS;
    if (isReported) kept.reported = last;
    return { flow: wholeFlow(kept), added: flowOf(kept.id, attempts, first, times), isReported };
  }

  #forgetOldest(): void {
    const [oldest] = this.#kept;
    if (oldest === undefined) return;
    this.#kept.delete(oldest);
    if (this.#byKey.get(oldest.key) === oldest) this.#byKey.delete(oldest.key);
  }
}

function wholeFlow({ id, attempts, first, times }: Kept): Flow {
  return flowOf(id, attempts, first, times);
}

function flowOf(id: string, attempts: RefusedAttempts, first: number, times: number): Flow {
  const { protocol, cluster, to, name, from, program, error, details, last } = attempts;
  return {
    id,
    kind: "captured",
    protocol,
    from,
    program,
    to,
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

function keyOf({ protocol, cluster, to, program, details }: RefusedAttempts): string {
  return JSON.stringify([protocol, cluster, to, program.pid, program.name, details]);
}
