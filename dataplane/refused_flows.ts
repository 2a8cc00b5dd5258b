import type { Flow } from "../wire/flow.ts";
import type { RefusedAttempts } from "./protocol.ts";

/** Flows that are kept, apart from others that failed: a program that tries many ports must not push those out. */
const REFUSED_FLOWS_KEPT = 128;
/** Processes of one program with flows of their own: more of them join the last one, as `until curl ...` in a shell makes. */
const MOST_PROCESSES = 4;
/** Equal attempts with no longer pause between them are one flow, in milliseconds. */
const PAUSE_MS = 60_000;
/** A flow that continues is reported again after this, in milliseconds. */
const REPORTED_AGAIN_MS = 60_000;

interface Kept {
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
  /** By program, target and reason: one of each process. */
  readonly #alike = new Map<string, Kept[]>();

  get flows(): Flow[] {
    return [...this.#kept].map(wholeFlow);
  }

  add(attempts: RefusedAttempts, nextId: () => string): Added {
    const { first, last, times } = attempts;
    const key = keyOf(attempts);
    const alike = (this.#alike.get(key) ?? []).filter((one) => first - one.attempts.last <= PAUSE_MS);
    const continued = alike.find((one) => one.attempts.program.pid === attempts.program.pid) ??
      (alike.length < MOST_PROCESSES ? undefined : alike.at(-1));
    const kept = continued ?? { id: nextId(), first, attempts, times: 0, reported: -Infinity };
    if (!continued) alike.push(kept);
    this.#alike.set(key, alike);
    kept.attempts = attempts;
    kept.times += times;
    this.#kept.delete(kept);
    this.#kept.add(kept);
    if (this.#kept.size > REFUSED_FLOWS_KEPT) this.#forgetOldest();
    const isReported = last - kept.reported >= REPORTED_AGAIN_MS;
    if (isReported) kept.reported = last;
    return { flow: wholeFlow(kept), added: flowOf(kept.id, attempts, first, times), isReported };
  }

  #forgetOldest(): void {
    const [oldest] = this.#kept;
    if (oldest === undefined) return;
    this.#kept.delete(oldest);
    const key = keyOf(oldest.attempts);
    const alike = this.#alike.get(key)?.filter((one) => one !== oldest) ?? [];
    if (alike.length > 0) this.#alike.set(key, alike);
    else this.#alike.delete(key);
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
  return JSON.stringify([protocol, cluster, to, program.name, details]);
}
