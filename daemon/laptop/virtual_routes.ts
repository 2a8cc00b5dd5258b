import type { DataPlane } from "../../dataplane/plane.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import type { LaptopCluster } from "./laptop_cluster.ts";
import { NOT_YET, type RoutedCluster, type RouteProgrammer } from "./route_programmer.ts";
import type { VirtualAddresses, VirtualMeaning } from "./virtual_addresses.ts";

/** A virtual address may be refused too, for as often as there are ranges; and once more for an address of the machine's. */
const MOST_TRIES = 5;

/** What VirtualRoutes needs. */
export interface VirtualRoutesParts {
  readonly virtual: VirtualAddresses;
  readonly routes: Pick<RouteProgrammer, "isCaptured" | "refusal" | "change">;
  readonly data: Pick<DataPlane, "changeAddresses">;
  /** The clusters that are captured, by id. Live. */
  readonly clusters: ReadonlyMap<string, LaptopCluster>;
}

/**
 * Has virtual addresses captured for what names lead to and can't be captured as it is: another cluster has the same address, or the
 * machine. An address keeps its virtual one as long as its cluster has it, so that no open connection is cut off.
 */
export class VirtualRoutes {
  readonly #parts: VirtualRoutesParts;
  /** By "address cluster", those that should have a virtual address and have none, and why. */
  readonly #without = new Map<string, VirtualMeaning & { readonly why: string }>();

  constructor(parts: VirtualRoutesParts) {
    this.#parts = parts;
  }

  /** What a cluster's routes are to be: for its own addresses, and for its virtual ones. */
  routed(cluster: LaptopCluster): Pick<RoutedCluster, "addresses"> {
    const { virtual } = this.#parts;
    const { id, index: { addresses } } = cluster;
    return {
      addresses: {
        get(address): CapturedPorts | undefined {
          const meaning = virtual.meaningOf(address);
          if (meaning) return meaning.cluster === id ? addresses.get(meaning.address) : undefined;
          return addresses.get(address);
        },
        *keys() {
          yield* addresses.keys();
          yield* virtual.ofCluster(id);
        },
      },
    };
  }

  /** The address by which programs reach a cluster's: its own, else its virtual one; undefined where neither is captured. */
  reachedAt(cluster: string, address: string): string | undefined {
    const { virtual, routes } = this.#parts;
    if (routes.isCaptured(cluster, address) && virtual.meaningOf(address) === undefined) return address;
    const other = virtual.of(cluster, address);
    return other !== undefined && routes.isCaptured(cluster, other) ? other : undefined;
  }

  /** What a virtual address stands for; undefined for any other. */
  meaningOf(address: string): VirtualMeaning | undefined {
    return this.#parts.virtual.meaningOf(address);
  }

  /** Why an address that should have a virtual one has none; undefined otherwise. */
  problem(cluster: string, address: string): string | undefined {
    return this.#without.get(keyOf(cluster, address))?.why;
  }

  /**
   * Addresses that should have a virtual one and have none, to be looked at again: those of the longest ago first.
   * @param most at a time; all without it
   */
  without(most = Infinity): string[] {
    return this.#without.values().take(most).map(({ address }) => address).toArray();
  }

  /**
   * Gives addresses virtual ones where they need them, or takes those back that nothing has any longer.
   * @param addresses clusters' own, that may have changed or have other ports, and virtual ones that have moved
   * @returns the addresses that lead somewhere else than before, when that is in force: virtual ones, and those that they stand for
   */
  async settle(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const moved = new Set(this.#meant(addresses));
    const inUse = [...this.#inUse(addresses)];
    if (inUse.length > 0) await this.#capture(inUse, moved);
    for (let tried = 0; tried < MOST_TRIES; tried++) {
      const changes = [...this.#parts.clusters.values()].map((cluster) => this.#change(cluster, addresses));
      const all = changes.flatMap(({ added, gone }) => [...added, ...gone]);
      if (all.length === 0) break;
      for (const [virtual, address] of all) moved.add(virtual).add(address);
      await this.#tell(changes.map(({ cluster, added }) => ({ cluster, added, removed: [] })));
      await this.#capture(all.map(([virtual]) => virtual), moved);
      const removed = changes.map(({ cluster, gone }) => ({
        cluster,
        added: new Map(),
        removed: [...gone.keys()].filter((virtual) => this.meaningOf(virtual) === undefined), // it may have come back
      }));
      await this.#tell(removed);
      const refused = changes.flatMap(({ cluster, added }) => this.#refused(cluster, added));
      await this.#refuse(refused);
      if (refused.every(({ why }) => AT_A_LIMIT.test(why))) break;
    }
    return moved;
  }

  /**
   * The machine has come to use virtual addresses itself.
   * @param addresses what the helper has released, and why
   * @returns the addresses that virtual ones among them stood for: they need others
   */
  async released(addresses: ReadonlyMap<string, string>): Promise<ReadonlySet<string>> {
    const gone = [...addresses].flatMap(([virtual, why]) => {
      const meaning = this.meaningOf(virtual);
      return meaning ? [{ ...meaning, virtual, why }] : [];
    });
    await this.#refuse(gone);
    return new Set(gone.map(({ address }) => address));
  }

  /** A cluster is captured no longer: its virtual addresses rest. */
  async remove(cluster: string): Promise<void> {
    const { virtual } = this.#parts;
    const removed = [...virtual.ofCluster(cluster)];
    for (const one of removed) virtual.rest(one);
    for (const [key, one] of this.#without) if (one.cluster === cluster) this.#without.delete(key);
    await this.#tell([{ cluster, added: new Map(), removed }]);
  }

  /** The virtual addresses in use for addresses. */
  *#inUse(addresses: ReadonlySet<string>): Generator<string> {
    for (const id of this.#parts.clusters.keys()) {
      for (const address of addresses) {
        const virtual = this.#parts.virtual.of(id, address);
        if (virtual !== undefined) yield virtual;
      }
    }
  }

  /** What virtual addresses in use stand for. */
  *#meant(addresses: ReadonlySet<string>): Generator<string> {
    for (const one of addresses) {
      const meaning = this.meaningOf(one);
      if (meaning) yield meaning.address;
    }
  }

  /** Has virtual addresses captured as they are to be; others may have to make room. */
  async #capture(addresses: readonly string[], moved: Set<string>): Promise<void> {
    const changed = await this.#parts.routes.change(addresses);
    for (const one of [...changed, ...this.#meant(changed)]) moved.add(one);
  }

  /** Takes virtual addresses into use for those that need one, and others out of use; both with what they stand for. */
  #change(cluster: LaptopCluster, addresses: ReadonlySet<string>): Change {
    const { virtual } = this.#parts;
    const { id, index } = cluster;
    const [added, gone] = [new Map<string, string>(), new Map<string, string>()];
    const isUsed = this.#usedRanges();
    // Where there are as many as may be, Services come before pods.
    const isPods = (address: string) => index.addresses.get(address) === "any";
    for (const address of [...addresses].toSorted((a, b) => Number(isPods(a)) - Number(isPods(b)))) {
      const there = virtual.of(id, address);
      if (there !== undefined && !index.addresses.has(address)) {
        virtual.rest(there);
        gone.set(there, address);
      }
      this.#without.delete(keyOf(id, address));
      if (there !== undefined || !this.#needs(cluster, address)) continue;
      const taken = virtual.take(id, address, this.#isTaken, isUsed);
      if (taken !== undefined) added.set(taken, address);
      else {
        this.#without.set(keyOf(id, address), { cluster: id, address, why: "no virtual address is free" });
      }
    }
    return { cluster: id, added, gone };
  }

  readonly #isTaken = (address: string): boolean =>
    this.#parts.clusters.values().some(({ index }) => index.addresses.has(address));

  /** Tells in which ranges of virtual addresses clusters have addresses of their own. Each costs a look at all of these, once. */
  #usedRanges(): (range: string) => boolean {
    const known = new Map<string, boolean>();
    const isUsed = (range: string) => {
      const start = range.slice(0, -"0.0/16".length);
      return this.#parts.clusters.values().some(({ index }) =>
        index.addresses.keys().some((address) => address.startsWith(start))
      );
    };
    return (range) => {
      const used = known.get(range) ?? isUsed(range);
      known.set(range, used);
      return used;
    };
  }

  /** Whether names lead to an address, and it can't be captured for its cluster. Of dual-stack Services the IPv4 address is enough. */
  #needs({ id, index }: LaptopCluster, address: string): boolean {
    if (!index.addresses.has(address) || this.reachedAt(id, address) !== undefined) return false;
    const isVirtual = this.meaningOf(address) !== undefined;
    const why = this.#parts.routes.refusal(id, address);
    if (!isVirtual && (why === undefined || why === NOT_YET || AT_A_LIMIT.test(why))) return false;
    const services = [...index.servicesAt(address)];
    if (!address.includes(":")) return services.length > 0;
    return services.some((key) => index.services.get(key)?.addresses.every((one) => one.includes(":")));
  }

  #refused(cluster: string, added: ReadonlyMap<string, string>): Refused[] {
    const { routes } = this.#parts;
    return [...added].flatMap(([virtual, address]) => {
      const why = routes.refusal(cluster, virtual);
      return why === undefined || why === NOT_YET ? [] : [{ cluster, address, virtual, why }];
    });
  }

  /** Forgets virtual addresses that can't be captured. */
  async #refuse(refused: readonly Refused[]): Promise<void> {
    if (refused.length === 0) return;
    const { virtual, routes } = this.#parts;
    for (const { cluster, address, virtual: one, why } of refused) {
      if (AT_A_LIMIT.test(why)) virtual.rest(one);
      else virtual.refuse(one, OF_A_RANGE.test(why));
      this.#without.set(keyOf(cluster, address), {
        cluster,
        address,
        why: `its virtual address isn't captured: ${why}`,
      });
    }
    const byCluster = Map.groupBy(refused, ({ cluster }) => cluster);
    await this.#tell([...byCluster].map(([cluster, all]) => ({
      cluster,
      added: new Map(),
      removed: all.map(({ virtual }) => virtual),
    })));
    await routes.change(refused.map(({ virtual }) => virtual));
  }

  async #tell(
    changes: readonly {
      readonly cluster: string;
      readonly added: ReadonlyMap<string, string>;
      readonly removed: readonly string[];
    }[],
  ): Promise<void> {
    await Promise.all(
      changes.map(({ cluster, added, removed }) =>
        this.#parts.data.changeAddresses({ cluster, added, removed, areVirtual: true })
      ),
    );
  }
}

/** From virtual addresses to what they stand for. */
interface Change {
  readonly cluster: string;
  readonly added: ReadonlyMap<string, string>;
  readonly gone: ReadonlyMap<string, string>;
}

interface Refused extends VirtualMeaning {
  readonly virtual: string;
  readonly why: string;
}

/** What the helper says where the machine uses more than one address: a network or route of it, or what it may never capture. */
const OF_A_RANGE = /^in |^never to be captured|^pmz's own/;

/** What it says where as many addresses are captured as may be, or as many ports. */
const AT_A_LIMIT = /: the limit$/;

/** Addresses have no spaces, contexts of a kubeconfig may. */
const keyOf = (cluster: string, address: string): string => `${address} ${cluster}`;
