import { type Clock, systemClock } from "../../async/clock.ts";

/** A rule whose steering of a port ended for a moment, in milliseconds: what was opened meanwhile stays with the pod. */
const MOMENT_MS = 60_000;
/** Milliseconds between two closings of a port's connections for one rule, after the first. */
const AGAIN_MS = 300_000;

interface Closing {
  readonly rule: string;
  /** When open connections were last closed. */
  closed: number;
  /** When the steering ended; undefined while it lasts. */
  left: number | undefined;
}

/**
 * Decides whether connections that are open to a port are closed as its steering begins: when a rule gets the port, so that callers
 * with a connection of their own don't stay with the pod; and not each time the laptop behind the rule comes back, whose bad Wi-Fi
 * would reset the connections of all callers again and again.
 */
export class ClosingHistory {
  readonly #clock: Clock;
  readonly #ports = new Map<string, Closing>();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** A port, as portName of plan.ts has it, is steered from now on. @returns whether its open connections are to be closed */
  begins(pod: string, port: string, rule: string): boolean {
    const now = this.#clock.now();
    const known = this.#ports.get(keyOf(pod, port));
    if (known?.rule !== rule) {
      this.#ports.set(keyOf(pod, port), { rule, closed: now, left: undefined });
      return true;
    }
    const isBack = known.left === undefined || now - known.left < MOMENT_MS;
    known.left = undefined;
    if (isBack || now - known.closed < AGAIN_MS) return false;
    known.closed = now;
    return true;
  }

  /** A port isn't steered any more. */
  ends(pod: string, port: string): void {
    const known = this.#ports.get(keyOf(pod, port));
    if (known) known.left ??= this.#clock.now();
  }

  /** Forgets pods that no rule wants any more. */
  keep(pods: ReadonlyMap<string, unknown>): void {
    for (const key of this.#ports.keys()) {
      if (!pods.has(key.slice(0, key.indexOf(" ")))) this.#ports.delete(key);
    }
  }
}

function keyOf(pod: string, port: string): string {
  return `${pod} ${port}`;
}
