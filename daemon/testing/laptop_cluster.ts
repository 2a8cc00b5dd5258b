import type { ServiceNames } from "../../names/zone/zone_data.ts";
import type { Mode } from "../../wire/control.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import type { LaptopChange, LaptopCluster } from "../laptop/laptop_cluster.ts";

/** A cluster of Services, by "name" in the namespace default or "namespace/name", with addresses of which any port is served. */
export class FakeLaptopCluster implements LaptopCluster {
  readonly id: string;
  readonly connection: { mode: Mode };
  readonly acceptedRanges: string[] = [];
  readonly #addresses = new Map<string, CapturedPorts>();
  readonly #services = new Map<string, ServiceNames>();
  readonly index: LaptopCluster["index"] & { refused: Map<string, { address: string; why: string }[]> };

  constructor(id: string, mode: Mode, services: Readonly<Record<string, readonly string[]>> = {}) {
    this.id = id;
    this.connection = { mode };
    this.index = {
      addresses: this.#addresses,
      services: this.#services,
      refused: new Map(),
      isAnsweredHere: () => false,
      servicesAt: (address) =>
        new Set(
          [...this.#services].flatMap(([key, { addresses }]) => addresses.includes(address) ? [key] : []),
        ),
      nameAt: (address) => {
        const [key] = this.index.servicesAt(address);
        return key === undefined ? undefined : `${key.split("/").reverse().join(".")}.svc`;
      },
    };
    for (const [name, addresses] of Object.entries(services)) this.set(name, ...addresses);
  }

  get zone() {
    return {
      cluster: this.id,
      context: this.id,
      clusterDomain: "cluster.local",
      namespace: "default",
    };
  }

  /** Adds or replaces a Service. */
  set(service: string, ...addresses: readonly string[]): LaptopChange {
    const { addresses: gone } = this.delete(service);
    const key = keyOf(service);
    const [namespace = "", name = ""] = key.split("/");
    this.#services.set(key, { namespace, name, addresses, ports: [] });
    for (const address of addresses) this.#addresses.set(address, "any");
    return { addresses: new Set([...gone, ...addresses]), services: new Set([key]) };
  }

  /** Adds or replaces an ExternalName. */
  alias(service: string, externalName: string): void {
    const key = keyOf(service);
    const [namespace = "", name = ""] = key.split("/");
    this.#services.set(key, { namespace, name, addresses: [], ports: [], externalName });
  }

  /** Says which ports of an address are served, instead of any. */
  serve(address: string, ports: CapturedPorts): void {
    this.#addresses.set(address, ports);
  }

  delete(service: string): LaptopChange {
    const key = keyOf(service);
    const addresses = this.#services.get(key)?.addresses ?? [];
    this.#services.delete(key);
    for (const address of addresses) this.#addresses.delete(address);
    return { addresses: new Set(addresses), services: new Set([key]) };
  }
}

const keyOf = (service: string): string => service.includes("/") ? service : `default/${service}`;
