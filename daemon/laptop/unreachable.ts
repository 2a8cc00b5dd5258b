import type { UnreachableAddress } from "../../wire/unreachable.ts";
import { acceptingRanges } from "./accepting.ts";
import { coveringRanges } from "./covering_ranges.ts";
import type { HostCapture } from "./host_capture.ts";
import type { LaptopCluster } from "./laptop_cluster.ts";
import { NOT_YET } from "./route_programmer.ts";

/** How the laptop's capture stands to an address. */
type Captured = Pick<HostCapture, "reachedAt" | "refusal" | "whyNotItself" | "refused">;

/**
 * Of a cluster's Services, the addresses that this laptop doesn't reach.
 * @param capture where the cluster is captured
 * @param others other clusters that are captured
 */
export function unreachableOf(
  { id, index }: LaptopCluster,
  capture: Captured | undefined,
  others: readonly string[] = [],
): UnreachableAddress[] {
  const found = [...index.refused].flatMap(([service, refused]) =>
    refused.map(({ address, why }): UnreachableAddress => ({
      service,
      address,
      why,
      remedy: NO_POD.test(why)
        ? "pmz dials no such address itself: a Service with a clusterIP leads there"
        : "pmz dials no such address: give the Service another one",
    }))
  );
  if (!capture) return found;
  const missing: (Omit<UnreachableAddress, "remedy"> & { readonly reason: string })[] = [];
  for (const [service, { addresses }] of index.services) {
    const isReached = addresses.some((address) => capture.reachedAt(id, address) !== undefined);
    for (const address of addresses) {
      const why = capture.refusal(id, address);
      // Of a dual-stack Service, the addresses of a family that this machine doesn't have are no loss.
      if (why === undefined || (isReached && !capture.refused.has(address))) continue;
      missing.push({ service, address, why, reason: capture.whyNotItself(id, address) ?? why });
    }
  }
  const accepting = rangesToAccept(
    id,
    missing.map(({ address, reason }) => ({ address, why: reason })),
    others,
  );
  return [
    ...found,
    ...missing.map(({ reason, ...one }) => {
      const remedy = remedyOf(reason, accepting);
      return remedy === undefined ? one : { ...one, remedy };
    }),
  ];
}

/** What is said of endpoints that the gateway doesn't dial, though the cluster's nodes do. */
const NO_POD = /^an endpoint that is no pod|^a node's address/;
/** What the helper says of a public address. */
const PUBLIC = /^public, and in no range that was accepted/;
/** What it says of one that a route leads to. */
const ROUTED = /^in (\S+), which this machine has a route to \(([^)]+)\)$/;

const PROXY = "pmz up --proxy serves its name, too";

/**
 * How an address that isn't captured would be by the user's word, by the reason that the helper gives; undefined for other reasons.
 * @param of the cluster
 * @param missing its addresses that aren't captured
 */
export function rangesToAccept(
  of: string,
  missing: readonly { readonly address: string; readonly why: string }[],
  others: readonly string[],
): (why: string) => string | undefined {
  const ranges = coveringRanges(missing.flatMap(({ address, why }) => PUBLIC.test(why) ? [address] : []));
  return (why) => {
    if (PUBLIC.test(why)) return acceptingRanges(of, ranges, others);
    const [, range] = ROUTED.exec(why) ?? [];
    return range === undefined ? undefined : acceptingRanges(of, [range], others);
  };
}

/** What to do where an address isn't reached, by the reason that the helper or the routes give. */
function remedyOf(why: string, accepting: (why: string) => string | undefined): string | undefined {
  const [, cluster] = /^the cluster (\S+) has the same address/.exec(why) ?? [];
  if (cluster !== undefined) return `disconnect that one: pmz down --context ${cluster}`;
  const accepted = accepting(why);
  const [, , routed] = ROUTED.exec(why) ?? [];
  if (accepted !== undefined) {
    return `to capture it${
      routed === undefined ? "" : `, if ${routed} doesn't need it`
    }: ${accepted}; ${PROXY}`;
  }
  const [, device] = /network that this machine is in \(([^)]+)\)$/.exec(why) ?? [];
  if (device !== undefined) {
    return `it is captured as soon as ${device} has that network no longer (ip route show dev ${device}); ` +
      `until then ${PROXY}`;
  }
  if (/^this machine has no IPv/.test(why) || why === NOT_YET) return undefined;
  return `through the proxy it is reached all the same: ${PROXY}`;
}
