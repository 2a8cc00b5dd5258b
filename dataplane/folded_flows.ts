import { endOf, type Flow } from "../wire/flow.ts";

/** Processes of one program with flows of their own: more of them join the last one, as `until curl ...` in a shell makes. */
const MOST_PROCESSES = 4;
/** Equal failures with no longer pause between them are one flow, in milliseconds. */
const PAUSE_MS = 60_000;
/** A flow that continues is reported again after this, in milliseconds. */
const REPORTED_AGAIN_MS = 60_000;

interface Kept {
  readonly key: string;
  /** As long as there is one failure, itself; the id stays that of the first, which is in the logs. */
  flow: Flow;
  /** When the last one ended, in milliseconds since 1970. */
  end: number;
  reported: number;
}

/** What became of a failed flow. */
export interface Folded {
  /** The flow that it belongs to, with those before. */
  readonly flow: Flow;
  /** Whether the log has to hear of it, where equal ones fill at most a line a minute. */
  readonly isReported: boolean;
}

/**
 * Failed flows, as many as are kept. Equal ones (program, target, outcome) soon after each other are one flow, which counts
 * them: a program that tries again and again must not push the others out.
 */
export class FoldedFlows {
  readonly #most: number;
  /** The one that failed last is last. */
  readonly #kept = new Set<Kept>();
  /** By what makes them equal: one of each process, the one that began last is last. */
  readonly #alike = new Map<string, Kept[]>();

  /** @param most flows that are kept */
  constructor(most: number) {
    this.#most = most;
  }

  get flows(): Flow[] {
    return Array.from(this.#kept, ({ flow }) => flow);
  }

  /** Adds a flow that failed, or several equal ones that are one flow already. */
  add(flow: Flow): Folded {
    const [key, end] = [keyOf(flow), endOf(flow)];
    const alike = (this.#alike.get(key) ?? []).filter((one) =>
      Date.parse(flow.started) - one.end <= PAUSE_MS
    );
    const continued = continuedBy(flow.program, alike);
    const kept = continued ?? { key, flow, end, reported: -Infinity };
    if (continued) continueWith(continued, flow, end);
    else alike.push(kept);
    this.#alike.set(key, alike);
    this.#kept.delete(kept);
    this.#kept.add(kept);
    if (this.#kept.size > this.#most) this.#forgetOldest();
    const isReported = end - kept.reported >= REPORTED_AGAIN_MS;
    if (isReported) kept.reported = end;
    return { flow: kept.flow, isReported };
  }

  #forgetOldest(): void {
    const [oldest] = this.#kept;
    if (oldest === undefined) return;
    this.#kept.delete(oldest);
    const alike = this.#alike.get(oldest.key)?.filter((one) => one !== oldest) ?? [];
    if (alike.length > 0) this.#alike.set(oldest.key, alike);
    else this.#alike.delete(oldest.key);
  }
}

/**
 * The one of equal failures that another of a program continues. One whose program isn't known counts with the only program
 * that fails so: programs are searched for a few of many failures.
 */
function continuedBy(program: Flow["program"], alike: readonly Kept[]): Kept | undefined {
  if (program === undefined && alike.length === 1) return alike[0];
  const named = alike.filter(({ flow }) => flow.program?.name === program?.name);
  return named.find(({ flow }) => flow.program?.pid === program?.pid) ??
    (named.length < MOST_PROCESSES ? undefined : named.at(-1));
}

function continueWith(kept: Kept, added: Flow, end: number): void {
  const { flow } = kept;
  kept.end = Math.max(kept.end, end);
  kept.flow = {
    ...flow,
    ...(added.program === undefined ? {} : { program: added.program }),
    ms: Math.max(0, kept.end - Date.parse(flow.started)),
    sent: flow.sent + added.sent,
    received: flow.received + added.received,
    times: (flow.times ?? 1) + (added.times ?? 1),
  };
}

/** What equal failures of programs have in common; of a caller, its host. */
function keyOf({ kind, protocol, cluster, to, intercept, from, outcome }: Flow): string {
  return JSON.stringify([kind, protocol, cluster, to, intercept, from.replace(/:\d+$/, ""), outcome]);
}
