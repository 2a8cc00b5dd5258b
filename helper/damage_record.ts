import type { NetworkDamage, NetworkPart } from "../wire/helper.ts";
import { RepairLimit } from "./repair_limit.ts";

/** Why a part isn't put right: another program is let win. */
export const CONTESTED = "another program changes it again and again";

/** What has become of one part of pmz's network: how often others have changed it, and what isn't right now. */
export class DamageRecord {
  readonly limit: RepairLimit;
  readonly #part: NetworkPart;
  #repaired = 0;
  #last = 0;
  #problem: string | undefined;

  constructor(part: NetworkPart, now?: () => number) {
    this.limit = new RepairLimit(now);
    this.#part = part;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** Undefined while nobody has changed it. */
  get damage(): NetworkDamage | undefined {
    if (this.#repaired === 0 && this.#problem === undefined) return undefined;
    return {
      part: this.#part,
      repaired: this.#repaired,
      last: this.#last,
      ...this.#problem !== undefined && { problem: this.#problem },
    };
  }

  /** It is as it has to be. */
  isRight(): void {
    this.#problem = undefined;
  }

  repaired(): void {
    this.#problem = undefined;
    this.#repaired++;
    this.#last = Date.now();
  }

  failed(problem: string): void {
    if (this.#problem === undefined) this.#last = Date.now();
    this.#problem = problem;
  }
}
