import type { Endpoint } from "../../net/address.ts";
import type { Range } from "../../net/range.ts";
import { decide, type Targets } from "./policy.ts";
import { type Failed, failed } from "./served_end.ts";

/** Targets that watches keep up to date. */
export interface LearningTargets extends Targets {
  /** Whether Services, pods and nodes have been listed; nothing is dialled before. */
  readonly isComplete: boolean;
  /** Waits at most so many milliseconds until they are. */
  completed(ms: number, signal: AbortSignal): Promise<boolean>;
  /** Waits at most so many milliseconds until the address is known. */
  learn(address: string, ms: number, signal: AbortSignal): Promise<void>;
}

/** Times in milliseconds. */
export interface TargetLimits {
  /** How long a stream waits for an unknown address: its Service may be newer than the watch's last event. */
  readonly learnMs: number;
  /** How long streams wait for the first lists of a gateway that has just started. */
  readonly listMs: number;
  /** Streams that wait for their address to become known. */
  readonly learning: number;
}

export type Allowed = { readonly endpoint: Endpoint } | Failed;

/** Decides whether targets may be dialled, over all tunnels of a gateway. */
export class AllowedTargets {
  readonly #targets: LearningTargets;
  readonly #ranges: readonly Range[];
  readonly #limits: TargetLimits;
  #learning = 0;

  /** @param ranges those that were allowed at deployment */
  constructor(targets: LearningTargets, ranges: readonly Range[], limits: TargetLimits) {
    this.#targets = targets;
    this.#ranges = ranges;
    this.#limits = limits;
  }

  /** Decides at once; undefined where it takes a while. */
  now(authority: string): Allowed | undefined {
    if (!this.#targets.isComplete) return undefined;
    const verdict = decide(authority, this.#targets, this.#ranges);
    if (verdict.kind === "unknown" && this.#learning < this.#limits.learning) return undefined;
    return verdict.kind === "dial" ? { endpoint: verdict.endpoint } : failed(verdict.error, verdict.why);
  }

  /** Decides; waits a moment for an address that isn't known yet. */
  async later(authority: string, signal: AbortSignal): Promise<Allowed> {
    const { listMs, learnMs, learning } = this.#limits;
    if (!await this.#targets.completed(listMs, signal)) {
      return failed(
        "destination_unavailable",
        "the gateway has not listed the cluster's Services, pods and nodes yet",
      );
    }
    let verdict = decide(authority, this.#targets, this.#ranges);
    if (verdict.kind === "unknown" && this.#learning < learning) {
      this.#learning++;
      const address = verdict.endpoint.address.text;
      await this.#targets.learn(address, learnMs, signal).finally(() => this.#learning--);
      verdict = decide(authority, this.#targets, this.#ranges);
    }
    return verdict.kind === "dial" ? { endpoint: verdict.endpoint } : failed(verdict.error, verdict.why);
  }
}
