import type { ServiceNames, ZoneChange, ZoneIdentity } from "../../names/zone/zone_data.ts";
import type { Mode } from "../../wire/control.ts";
import type { CapturedPorts } from "../../wire/helper.ts";

/** A connected cluster, as far as the laptop's side needs it. */
export interface LaptopCluster {
  readonly id: string;
  readonly connection: { readonly mode: Mode };
  readonly zone: ZoneIdentity;
  /** Ranges that were accepted for it, in CIDR notation. Live. */
  readonly acceptedRanges: readonly string[];
  readonly index: {
    /** What answers by address. Live. */
    readonly addresses: ReadonlyMap<string, CapturedPorts>;
    /** What each Service's names lead to, by "namespace/name". Live. */
    readonly services: ReadonlyMap<string, ServiceNames>;
    /** Addresses that Services claim and that the gateway never dials. Live. */
    readonly refused: ReadonlyMap<string, readonly { readonly address: string; readonly why: string }[]>;
    /** The Services whose names lead to an address. */
    servicesAt(address: string): ReadonlySet<string>;
    /** Whether a program of this laptop answers some port of a Service, "namespace/name". */
    isAnsweredHere(service: string): boolean;
    /** What has an address: "echo.default.svc". */
    nameAt(address: string): string | undefined;
  };
}

/** What has changed in a cluster: addresses, and keys of Services. */
export interface LaptopChange {
  readonly addresses: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
}

/**
 * A change of some Services of a cluster, as they are now.
 * @param keys "namespace/name"
 * @param reached makes of a Service what its names are to lead to
 */
export function zoneChange(
  { id, index }: Pick<LaptopCluster, "id" | "index">,
  keys: Iterable<string>,
  reached: (service: ServiceNames) => ServiceNames,
): ZoneChange {
  const set: ServiceNames[] = [];
  const removed: { namespace: string; name: string }[] = [];
  for (const key of keys) {
    const service = index.services.get(key);
    const [namespace = "", name = ""] = key.split("/");
    if (service) set.push(reached(service));
    else removed.push({ namespace, name });
  }
  return { cluster: id, set, removed };
}
