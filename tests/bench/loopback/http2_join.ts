import type { Duplex } from "node:stream";

/**
 * Carries bytes both ways, each direction to its own end: `pipeline` would break the other one off when the first has
 * ended. What breaks one breaks the other.
 */
export function join(one: Duplex, other: Duplex): void {
  one.pipe(other);
  other.pipe(one);
  one.on("error", () => other.destroy());
  other.on("error", () => one.destroy());
}
