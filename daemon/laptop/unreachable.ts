import type { UnreachableAddress } from "../../wire/unreachable.ts";
import { acceptingRanges } from "./accepting.ts";
import { coveringRanges } from "./covering_ranges.ts";
import type { HostCapture } from "./host_capture.ts";
import type { LaptopCluster } from "./laptop_cluster.ts";

/** How the laptop's capture stands to an address. */
type Captured = Pick<HostCapture, "isCaptured" | "refusal" | "refused">;

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
  const missing: Omit<UnreachableAddress, "remedy">[] = [];
  for (const [service, { addresses }] of index.services) {
    const isReached = addresses.some((address) => capture.isCaptured(id, address));
    for (const address of addresses) {
      const why = capture.refusal(id, address);
      // Of a dual-stack Service, the addresses of a family that this machine doesn't have are no loss.
      if (why === undefined || (isReached && !capture.refused.has(address))) continue;
      missing.push({ service, address, why });
    }
  }
  const ranges = coveringRanges(missing.flatMap(({ address, why }) => PUBLIC.test(why) ? [address] : []));
  return [
    ...found,
    ...missing.map((one) => {
      const remedy = remedyOf(id, one.why, ranges, others);
      return remedy === undefined ? one : { ...one, remedy };
    }),
  ];
}

/** What is said of endpoints that the gateway doesn't dial, though the cluster's nodes do. */
const NO_POD = /^an endpoint that is no pod|^a node's address/;
/** What the helper says of a public address. */
const PUBLIC = /^public, and in no range that was accepted/;

const PROXY = "pmz up --proxy serves its name, too";

/**
 * What to do where an address isn't captured, by the reason that the helper or the routes give.
 * @param of the cluster
 * @param ranges those that the cluster's public addresses are from
 */
function remedyOf(
  of: string,
  why: string,
  ranges: readonly string[],
  others: readonly string[],
): string | undefined {
  const [, cluster] = /^the cluster (\S+) has the same address/.exec(why) ?? [];
  if (cluster !== undefined) return `disconnect that one: pmz down --context ${cluster}`;
  if (PUBLIC.test(why)) return `to capture it: ${acceptingRanges(of, ranges, others)}; ${PROXY}`;
  const [, range, routed] = /^in (\S+), which this machine has a route to \(([^)]+)\)$/.exec(why) ?? [];
  if (range !== undefined) {
    return `to capture it, if ${routed} doesn't need it: ${acceptingRanges(of, [range], others)}; ${PROXY}`;
  }
  const [, device] = /network that this machine is in \(([^)]+)\)$/.exec(why) ?? [];
  if (device !== undefined) {
    return `it is captured as soon as ${device} has that network no longer (ip route show dev ${device}); ` +
      `until then ${PROXY}`;
  }
  if (/^this machine has no IPv/.test(why) || why === "it isn't captured yet") return undefined;
  return `through the proxy it is reached all the same: ${PROXY}`;
}
