/** Addresses of Services that a laptop doesn't reach: what is said of them in `up`, `status` and `services`. */

/** An address of a Service that this laptop doesn't reach, so that its names don't answer it either. */
export interface UnreachableAddress {
  /** "namespace/name" */
  readonly service: string;
  readonly address: string;
  readonly why: string;
  /** What to do about it, where that is known. */
  readonly remedy?: string;
}

/** Addresses that are named for one reason; more are counted. */
const NAMED = 3;

/** A warning for each reason and remedy, with the addresses that it keeps away. */
export function unreachableWarnings(
  all: readonly UnreachableAddress[],
): { readonly message: string; readonly hint?: string }[] {
  const alike = Map.groupBy(all, ({ why, remedy }) => JSON.stringify([why, remedy]));
  return [...alike.values()].flatMap((group) => {
    const [first] = group;
    if (!first) return [];
    const [is, there] = group.length === 1 ? ["is", "there"] : ["are", "to any of them"];
    const message = `${namedAddresses(group)} ${is} not reached, and no name leads ${there}: ${first.why}`;
    return first.remedy === undefined ? { message } : { message, hint: first.remedy };
  });
}

/** "default/echo at 10.96.0.7, default/api at 10.96.0.8" */
export function namedAddresses(group: readonly UnreachableAddress[]): string {
  const named = group.slice(0, NAMED).map(({ service, address }) => `${service} at ${address}`).join(", ");
  return group.length > NAMED ? `${named} and ${group.length - NAMED} more` : named;
}
