import type { VirtualAddress } from "../../wire/virtual.ts";
import type { HostCapture } from "./host_capture.ts";
import type { LaptopCluster } from "./laptop_cluster.ts";
import { rangesToAccept } from "./unreachable.ts";

/**
 * Of a cluster's Services, the addresses that programs of this laptop reach by virtual ones.
 * @param others other clusters that are captured
 */
export function virtualOf(
  { id, index }: LaptopCluster,
  capture: Pick<HostCapture, "reachedAt" | "whyNotItself">,
  others: readonly string[],
): VirtualAddress[] {
  const found = [...index.services].flatMap(([service, { addresses }]) =>
    addresses.flatMap((address): VirtualAddress[] => {
      const virtual = capture.reachedAt(id, address);
      if (virtual === undefined || virtual === address) return [];
      return [{ service, address, virtual, why: capture.whyNotItself(id, address) ?? "" }];
    })
  );
  const remedyOf = rangesToAccept(id, found, others);
  return found.map((one) => {
    const remedy = remedyOf(one.why);
    return remedy === undefined ? one : { ...one, remedy: `to capture it as it is: ${remedy}` };
  });
}
