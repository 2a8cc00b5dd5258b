import type { NetworkDamage, NetworkPart } from "../wire/helper.ts";
import { CONTESTED, DamageRecord } from "./damage_record.ts";

/** A part of what pmz has made on the machine's network. */
export interface RepairablePart {
  readonly part: NetworkPart;
  /** @returns what puts it right; undefined where it is right. Both throw where they can't. */
  readonly look: () => (() => void) | undefined;
}

/** Puts right what other programs have changed of pmz's own network, part by part, without a fight. */
export class NetworkRepair {
  readonly #parts: readonly { readonly part: RepairablePart; readonly record: DamageRecord }[];

  /** @param parts those that others stand on come first: no address without its device */
  constructor(parts: readonly RepairablePart[]) {
    this.#parts = parts.map((part) => ({ part, record: new DamageRecord(part.part) }));
  }

  /** What others have changed so far. */
  get damage(): readonly NetworkDamage[] {
    return this.#parts.flatMap(({ record: { damage } }) => damage ? [damage] : []);
  }

  /** Looks at all parts, and puts right what isn't. It never throws. */
  run(): void {
    for (const { part, record } of this.#parts) {
      try {
        const repair = part.look();
        if (!repair) record.isRight();
        else if (record.limit.mayRepair()) {
          repair();
          record.repaired();
        } else record.failed(CONTESTED);
      } catch (error) {
        record.failed(error instanceof Error ? error.message : String(error));
      }
    }
  }

  /** As `run`, however often another program has changed something before. */
  runAnew(): void {
    for (const { record } of this.#parts) record.limit.reset();
    this.run();
  }
}
