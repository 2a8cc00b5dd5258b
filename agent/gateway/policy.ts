import { type Endpoint, type IpAddress, parseEndpoint } from "../../net/address.ts";
import type { ProxyError } from "../../wire/streams.ts";
import { contains, parseRange, type Range } from "../../net/range.ts";

/** What the gateway knows of the cluster; looked up for each stream. Addresses in their canonical text. */
export interface Targets {
  /** A clusterIP, or the address of a pod that isn't on the host network. */
  isTarget(address: string): boolean;
  /** An address of a node, or of a pod that shares its node's. */
  isNode(address: string): boolean;
}

/** What becomes of a CONNECT. `unknown`: refused too, unless a watch learns of the address in the next moment. */
export type Verdict =
  | { readonly kind: "dial"; readonly endpoint: Endpoint }
  | {
    readonly kind: "unknown";
    readonly endpoint: Endpoint;
    readonly error: ProxyError;
    readonly why: string;
  }
  | { readonly kind: "refuse"; readonly error: ProxyError; readonly why: string };

/** Never dialled, whatever the cluster or a deployment says. */
const never: readonly { readonly range: Range; readonly why: string }[] = ([
  ["0.0.0.0/8", "this host (RFC 1122)"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local, where clouds answer with credentials"],
  ["224.0.0.0/4", "multicast"],
  ["240.0.0.0/4", "reserved or broadcast"],
  ["::/96", "unspecified, loopback or IPv4-compatible"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
  // An IPv4 address can hide in each of these, and be reached by whoever translates.
  ["::ffff:0:0:0/96", "an IPv4-translated form (RFC 2765)"],
  ["64:ff9b::/96", "NAT64 (RFC 6052)"],
  ["64:ff9b:1::/48", "NAT64 (RFC 8215)"],
  ["2001::/32", "Teredo"],
  ["2002::/16", "6to4"],
  // Metadata servers that are not link-local.
  ["100.100.100.200/32", "a cloud's metadata (Alibaba)"],
  ["168.63.129.16/32", "a cloud's metadata (Azure)"],
  ["192.0.0.192/32", "a cloud's metadata (Oracle)"],
  ["fd00:ec2::/64", "a cloud's metadata (AWS)"],
  ["fd20:ce::254/128", "a cloud's metadata (Google)"],
  ["fd00:42::42/128", "a cloud's metadata (Scaleway)"],
] as const).map(([text, why]) => {
  const range = parseRange(text);
  if (!range) throw new Error(`${text} is no range`);
  return { range, why };
});

/** Why `address` is never dialled; undefined when nothing speaks against it by itself. */
export function whyNever(address: IpAddress): string | undefined {
  return never.find(({ range }) => contains(range, address))?.why;
}

/**
 * Whether a stream's `:authority` may be dialled: only addresses, no names (so what is checked is what is dialled), and
 * only what the cluster's Services and pods have, or what was allowed at deployment.
 */
export function decide(authority: string, targets: Targets, extra: readonly Range[]): Verdict {
  const endpoint = parseEndpoint(authority);
  if (!endpoint) {
    return {
      kind: "refuse",
      error: "http_request_error",
      why: "the authority is no ADDRESS:PORT; names are resolved by the laptop",
    };
  }
  const address = endpoint.address;
  const why = whyNever(address);
  if (why !== undefined) return prohibited(`${address.text} is ${why}: never dialled`);
  if (targets.isNode(address.text)) return prohibited(`${address.text} is a node's: never dialled`);
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

function prohibited(why: string): Verdict {
  return { kind: "refuse", error: "destination_ip_prohibited", why };
}
