import { type Endpoint, parseEndpoint } from "../../net/address.ts";
import type { ProxyError } from "../../wire/streams.ts";
import { contains, type Range } from "../../net/range.ts";
import { whyRefused } from "../../net/special_ranges.ts";

/** What the gateway knows about the cluster. Addresses are in their canonical text. */
export interface Targets {
  /** A clusterIP, or the address of a pod that isn't on the host network. */
  isTarget(address: string): boolean;
  /** An address of a node, or of a pod that shares its node's. */
  isNode(address: string): boolean;
}

/** The decision about a CONNECT. `unknown`: refused too, unless a watch learns the address in the next moment. */
export type DialDecision =
  | { readonly kind: "dial"; readonly endpoint: Endpoint }
  | {
    readonly kind: "unknown";
    readonly endpoint: Endpoint;
    readonly error: ProxyError;
    readonly why: string;
  }
  | { readonly kind: "refuse"; readonly error: ProxyError; readonly why: string };

/**
 * Decides whether a stream's `:authority` may be dialled. It has to be an address and not a name, so that the gateway dials
 * exactly what it has checked; of a Service or pod, or in a range that was allowed at deployment.
 */
export function decide(authority: string, targets: Targets, extra: readonly Range[]): DialDecision {
  const endpoint = parseEndpoint(authority);
  if (!endpoint) {
    return {
      kind: "refuse",
      error: "http_request_error",
      why: "the authority is not a valid ADDRESS:PORT: the laptop resolves names",
    };
  }
  const address = endpoint.address;
  const why = whyRefused("gateway", address);
  if (why !== undefined) return prohibited(`${address.text} is ${why}: the gateway never dials it`);
  if (targets.isNode(address.text)) {
    return prohibited(`${address.text} is a node's address: the gateway never dials it`);
  }
  if (targets.isTarget(address.text) || extra.some((range) => contains(range, address))) {
    return { kind: "dial", endpoint };
  }
  return {
    kind: "unknown",
    endpoint,
    error: "destination_ip_prohibited",
    why: `${address.text} is neither a Service's nor a pod's address, nor in a range allowed at deployment`,
  };
}

function prohibited(why: string): DialDecision {
  return { kind: "refuse", error: "destination_ip_prohibited", why };
}
