/** Addresses that are shown in a table. */
const MOST = 2;

/** Addresses for a column of a table: "10.244.0.5,10.244.0.6", or "10.244.0.5 and 199 more". */
export function shortened(addresses: readonly string[]): string {
  if (addresses.length <= MOST) return addresses.join(",");
  return `${addresses[0]} and ${addresses.length - 1} more`;
}
