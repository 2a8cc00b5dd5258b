import type { ServiceNames, ZoneIdentity } from "../../names/zone/zone_data.ts";
import type { Mode } from "../../wire/control.ts";
import type { CapturedPorts } from "../../wire/helper.ts";

/** A connected cluster, as far as the laptop's side needs it. */
export interface LaptopCluster {
  readonly id: string;
  readonly connection: { readonly mode: Mode };
  readonly zone: ZoneIdentity;
  readonly index: {
    /** What answers by address. Live. */
    readonly addresses: ReadonlyMap<string, CapturedPorts>;
    /** What each Service's names lead to, by "namespace/name". Live. */
    readonly services: ReadonlyMap<string, ServiceNames>;
    /** Addresses that Services claim and that the gateway never dials. Live. */
    readonly refused: ReadonlyMap<string, readonly { readonly address: string; readonly why: string }[]>;
    /** The Services whose names lead to an address. */
    servicesAt(address: string): ReadonlySet<string>;
  };
}

/** What has changed in a cluster: addresses, and keys of Services. */
export interface LaptopChange {
  readonly addresses: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
}
