import { type Clock, systemClock } from "../../async/clock.ts";

/** Milliseconds of a period; dials of the period under way and of the one before count. */
const PERIOD_MS = 30_000;
/** Targets that are counted in a period. */
const MOST_TARGETS = 20_000;

/** Tells which targets are dialled very often. */
export class BusyTargets {
  readonly #busyFrom: number;
  readonly #clock: Pick<Clock, "now">;
  #began: number;
  #dials = new Map<string, number>();
  #before = new Map<string, number>();

  /** @param busyFrom the number of dials within 30 to 60 s from which on a target is busy */
  constructor(busyFrom: number, clock: Pick<Clock, "now"> = systemClock) {
    this.#busyFrom = busyFrom;
    this.#clock = clock;
    this.#began = clock.now();
  }

  /** Counts a dial. @returns whether its target is busy */
  count(target: string): boolean {
    this.#turn();
    const dials = this.#dials.get(target) ?? 0;
    if (dials > 0 || this.#dials.size < MOST_TARGETS) this.#dials.set(target, dials + 1);
    return dials + (this.#before.get(target) ?? 0) >= this.#busyFrom;
  }

  #turn(): void {
    const passed = this.#clock.now() - this.#began;
    if (passed < PERIOD_MS) return;
    this.#before = passed < 2 * PERIOD_MS ? this.#dials : new Map();
    this.#dials = new Map();
    this.#began += passed;
  }
}
