/** A Kubernetes quantity ("100m", "1.5Gi", "2e3") in billionths: the smallest unit that there is. */
export type Nanos = bigint;

const NANOS = 1_000_000_000n;
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const QUANTITY = /^\+?(\d{1,30})?(?:\.(\d{0,30}))?([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,2})?$/;

/** Reads a quantity of zero or more, rounded up to a billionth; undefined when it isn't one. */
export function parseQuantity(text: string): Nanos | undefined {
  const [, whole = "", fraction = "", suffix = ""] = QUANTITY.exec(text) ?? [];
  if (whole === "" && fraction === "") return undefined;
  const digits = BigInt(`${whole}${fraction}`);
  const shift = BINARY[suffix];
  if (shift !== undefined) return scaled((digits << shift) * NANOS, -fraction.length);
  const exponent = /^[eE][+-]?\d/.test(suffix) ? Number(suffix.slice(1)) : DECIMAL[suffix] ?? 0;
  return scaled(digits * NANOS, exponent - fraction.length);
}

/** How often `divisor` fits into `value`, rounded up; both are first rounded up to whole units of `unit`. */
export function ceilingOf(value: Nanos, divisor: Nanos, unit: Nanos): bigint {
  return ceiling(ceiling(value, unit), ceiling(divisor, unit));
}

/** What CPU time is rounded to. */
export const MILLI: Nanos = 1_000_000n;
/** What bytes are rounded to. */
export const ONE: Nanos = NANOS;

function scaled(value: bigint, exponent: number): bigint {
  return exponent < 0 ? ceiling(value, 10n ** BigInt(-exponent)) : value * 10n ** BigInt(exponent);
}

function ceiling(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor;
}
