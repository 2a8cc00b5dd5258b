/** Virtual addresses: what is said of them in `status` and `services`. */

/** An address of a Service that programs of this laptop reach by a virtual one. */
export interface VirtualAddress {
  /** "namespace/name" */
  readonly service: string;
  /** The Service's own, or of an endpoint of a headless one. */
  readonly address: string;
  readonly virtual: string;
  /** Why its own isn't captured as it is. */
  readonly why: string;
  /** How it would be, where the user can decide that. */
  readonly remedy?: string;
}

/** Addresses that are named for one reason; more are counted. */
const NAMED = 3;

/** "default/echo at 10.96.0.7 is 198.19.0.1 here, default/api at 10.96.0.8 is 198.19.0.2 here and 3 more" */
export function namedVirtual(group: readonly VirtualAddress[]): string {
  const named = group.slice(0, NAMED)
    .map(({ service, address, virtual }) => `${service} at ${address} is ${virtual} here`).join(", ");
  return group.length > NAMED ? `${named} and ${group.length - NAMED} more` : named;
}
