import { isDeepStrictEqual } from "node:util";
import { type CapturedPorts, LIMIT_REACHED } from "../../wire/helper.ts";

/** The helper, as far as it captures addresses. It throws only when it is gone, and all routes with it. */
export interface RouteHelper {
  /**
   * Captures addresses, or changes their ports.
   * @param accepted those in a range that was accepted for their cluster
   * @returns those that were refused, and why; a captured one stays captured
   */
  capture(
    addresses: ReadonlyMap<string, CapturedPorts>,
    accepted: ReadonlySet<string>,
  ): Promise<ReadonlyMap<string, string>>;
  /** Releases addresses, if they are captured. @returns those that may still be, and why */
  release(addresses: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** Why an address isn't captured about which the helper wasn't asked yet. */
export const NOT_YET = "it isn't captured yet";

/** A cluster whose addresses are captured. */
export interface RoutedCluster {
  readonly id: string;
  /** What the cluster has now. Live. */
  readonly addresses: {
    get(address: string): CapturedPorts | undefined;
    keys(): Iterable<string>;
  };
  /** Whether an address lies in a range that was accepted for this cluster. */
  accepts(address: string): boolean;
}

/** A captured address: the cluster that it leads to, and what the helper knows of its ports. */
interface Captured {
  readonly cluster: string;
  readonly ports: CapturedPorts;
  readonly accepted: boolean;
}

/**
 * Keeps the helper's routes as the clusters need them. An address that two clusters have leads to the one that was added first.
 * Only addresses that are said to have changed are looked at.
 */
export class RouteProgrammer {
  readonly #helper: RouteHelper;
  readonly #families: ReadonlySet<4 | 6>;
  readonly #onRefused: (refused: ReadonlyMap<string, string>) => void;
  /** In the order in which they were added. */
  readonly #clusters = new Map<string, RoutedCluster>();
  readonly #captured = new Map<string, Captured>();
  /**
   * What the helper refused to capture or to release, and why; the one that was asked for longest ago is first. The helper may still
   * have such an address, so it is released when no cluster has it any longer.
   */
  readonly #refused = new Map<string, string>();
  /** Refused addresses that are to be asked for again. */
  readonly #again = new Set<string>();
  /** What the helper is being asked to capture. */
  #asked = new Map<string, Captured>();
  #dirty = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  /**
   * @param families those that are listened for
   * @param onRefused called with addresses that the helper has refused, or refuses for another reason than before
   */
  constructor(
    helper: RouteHelper,
    families: ReadonlySet<4 | 6>,
    onRefused: (refused: ReadonlyMap<string, string>) => void = () => {},
  ) {
    this.#helper = helper;
    this.#families = families;
    this.#onRefused = onRefused;
  }

  /** The number of addresses that are captured now. */
  get size(): number {
    return this.#captured.size;
  }

  /** What the helper refused, and why. It is asked for again by `retry` and when its cluster is added again. */
  get refused(): ReadonlyMap<string, string> {
    return this.#refused;
  }

  /** Whether an address is captured, and leads to this cluster. */
  isCaptured(cluster: string, address: string): boolean {
    return this.#captured.get(address)?.cluster === cluster;
  }

  /** The cluster that a captured address leads to; undefined when it isn't captured. */
  leadsTo(address: string): string | undefined {
    return this.#captured.get(address)?.cluster;
  }

  /** All captured addresses. */
  get captured(): Iterable<string> {
    return this.#captured.keys();
  }

  /** Why an address of a cluster isn't captured, or leads elsewhere; undefined when it is captured for it. */
  refusal(cluster: string, address: string): string | undefined {
    const captured = this.#captured.get(address);
    if (captured?.cluster === cluster) return undefined;
    if (captured) return `the cluster ${captured.cluster} has the same address, and was connected before`;
    if (!this.#families.has(familyOf(address))) return `this machine has no IPv${familyOf(address)}`;
    return this.#refused.get(address) ?? NOT_YET;
  }

  /**
   * Captures all that a cluster has.
   * @returns the addresses that lead somewhere else than before, when that is in force. The same holds for the other methods.
   */
  add(cluster: RoutedCluster): Promise<ReadonlySet<string>> {
    this.#clusters.set(cluster.id, cluster);
    for (const address of cluster.addresses.keys()) if (this.#refused.has(address)) this.#again.add(address);
    return this.#apply(cluster.addresses.keys());
  }

  /** Captures or releases what has changed in a cluster. */
  change(addresses: Iterable<string>): Promise<ReadonlySet<string>> {
    return this.#apply(addresses);
  }

  /** Asks again for refused addresses, those of the longest ago first: the reason may have gone. @param most at a time; all without it */
  retry(most = Infinity): Promise<ReadonlySet<string>> {
    const again = this.#refused.keys().take(most).toArray();
    for (const address of again) this.#again.add(address);
    return this.#apply(again);
  }

  /** Takes note of addresses that the helper has released by itself, and why. @returns those that were captured */
  released(addresses: ReadonlyMap<string, string>): ReadonlySet<string> {
    const gone = new Set<string>();
    for (const [address, why] of addresses) {
      // Whether the helper has captured it before or after the release isn't known: its next answer counts.
      const wasAsked = this.#asked.delete(address);
      const wasCaptured = this.#captured.delete(address);
      if (wasCaptured) gone.add(address);
      if (wasCaptured || wasAsked) this.#refused.set(address, why);
    }
    return gone;
  }

  /** Releases all that a cluster has, unless another one has it too. */
  remove(cluster: string): Promise<ReadonlySet<string>> {
    const gone = this.#clusters.get(cluster);
    this.#clusters.delete(cluster);
    // Also what it has no longer, and whose change is still on its way here.
    const captured = [...this.#captured].flatMap(([address, to]) => to.cluster === cluster ? [address] : []);
    return this.#apply([...gone?.addresses.keys() ?? [], ...captured]);
  }

  /** One change after the other, so that the helper's answers come in the order of the requests. */
  #apply(addresses: Iterable<string>): Promise<ReadonlySet<string>> {
    for (const address of addresses) this.#dirty.add(address);
    const applied = this.#turn.then(() => this.#reconcile());
    this.#turn = applied.catch(() => {});
    return applied;
  }

  async #reconcile(): Promise<ReadonlySet<string>> {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    const moved = new Set<string>();
    await this.#release([...dirty].filter((address) => this.#isUnwanted(address)), moved);
    await this.#capture(dirty, moved);
    return moved;
  }

  /** Whether no cluster has an address, or it is captured by a range that isn't accepted for its cluster: it is judged again then. */
  #isUnwanted(address: string): boolean {
    const wanted = this.#wanted(address);
    return !wanted || (this.#captured.get(address)?.accepted === true && !wanted.accepted);
  }

  async #release(unwanted: readonly string[], moved: Set<string>): Promise<void> {
    const gone = unwanted.filter((address) => this.#captured.has(address) || this.#refused.has(address));
    if (gone.length === 0) return;
    const refused = await this.#helper.release(gone);
    for (const address of gone) {
      if (this.#captured.delete(address)) moved.add(address);
      this.#answered(address, refused.get(address));
    }
  }

  async #capture(dirty: ReadonlySet<string>, moved: Set<string>): Promise<void> {
    const asked = this.#asked = new Map<string, Captured>();
    for (const address of dirty) {
      const now = this.#wanted(address);
      if (!now || !this.#families.has(familyOf(address))) continue;
      const before = this.#captured.get(address);
      // A captured address leads to this cluster even if its new ports are refused.
      if (before) this.#lead(address, { ...before, cluster: now.cluster }, moved);
      const isKnown = this.#refused.has(address)
        ? !this.#again.has(address)
        : before?.accepted === now.accepted && isDeepStrictEqual(before.ports, now.ports);
      if (!isKnown) asked.set(address, now);
    }
    if (asked.size === 0) return;
    const refused = new Map(await this.#ask(asked));
    await this.#makeRoom(asked, refused, moved);
    const news = new Map<string, string>();
    for (const [address, now] of asked) {
      const before = this.#refused.get(address);
      const why = refused.get(address);
      this.#answered(address, why);
      if (why === undefined) this.#lead(address, now, moved);
      else if (why !== before) news.set(address, why);
    }
    this.#asked = new Map();
    if (news.size > 0) this.#onRefused(news);
  }

  #ask(asked: ReadonlyMap<string, Captured>): Promise<ReadonlyMap<string, string>> {
    const accepted = [...asked].flatMap(([address, { accepted }]) => accepted ? [address] : []);
    return this.#helper.capture(servicesFirst(asked), new Set(accepted));
  }

  /** Where the limit is met, Services come before pods: those of the pods that were captured last make room. */
  async #makeRoom(
    asked: ReadonlyMap<string, Captured>,
    refused: Map<string, string>,
    moved: Set<string>,
  ): Promise<void> {
    const isLeftOut = ([address, { ports }]: [string, Captured]) =>
      ports !== "any" && refused.get(address)?.endsWith(LIMIT_REACHED);
    const services = [...asked].filter(isLeftOut);
    if (services.length === 0) return;
    const pods = [...this.#captured].flatMap(([address, { ports }]) => ports === "any" ? [address] : [])
      .slice(-services.length);
    if (pods.length === 0) return;
    const limit = refused.get(services[0]?.[0] ?? "");
    const kept = await this.#helper.release(pods);
    for (const address of pods) {
      if (this.#captured.delete(address)) moved.add(address);
      this.#answered(address, kept.get(address) ?? limit);
    }
    const taken = new Map(services.slice(0, pods.length));
    const again = await this.#ask(taken);
    for (const address of taken.keys()) {
      const why = again.get(address);
      if (why === undefined) refused.delete(address);
      else refused.set(address, why);
    }
  }

  /** @param why undefined when the helper has done what it was asked for */
  #answered(address: string, why: string | undefined): void {
    this.#again.delete(address);
    this.#refused.delete(address); // so that it comes last if it is refused again
    if (why !== undefined) this.#refused.set(address, why);
  }

  #lead(address: string, to: Captured, moved: Set<string>): void {
    if (this.#captured.get(address)?.cluster !== to.cluster) moved.add(address);
    this.#captured.set(address, to);
  }

  /** Where an address is to lead: to the first cluster that has it. */
  #wanted(address: string): Captured | undefined {
    for (const cluster of this.#clusters.values()) {
      const ports = cluster.addresses.get(address);
      if (ports !== undefined) return { cluster: cluster.id, ports, accepted: cluster.accepts(address) };
    }
    return undefined;
  }
}

/** The ports to ask for, those of pods last. */
function servicesFirst(asked: ReadonlyMap<string, Captured>): Map<string, CapturedPorts> {
  const all = [...asked].map(([address, { ports }]) => [address, ports] as const);
  return new Map([
    ...all.filter(([, ports]) => ports !== "any"),
    ...all.filter(([, ports]) => ports === "any"),
  ]);
}

function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}
