import { pollUntil } from "../../async/poll_until.ts";
import type { BlockedConnection, ConnectedHelper } from "../../wire/control.ts";
import type { DataPlane } from "../../dataplane/plane.ts";
import type { Accounts } from "../../ffi/proc/socket_owner.ts";
import { uidsOf } from "../../ffi/proc/subuids.ts";
import { isWithin } from "../../net/range.ts";
import type { Log } from "../process/log.ts";
import { addressesIn } from "../../names/zone/zone_data.ts";
import type { StartWorker } from "../../threads/worker.ts";
import type {
  Account,
  BlockingRule,
  NetworkDamage,
  NetworkNews,
  RefusalNews,
  RulePrecedence,
} from "../../wire/helper.ts";
import { CapturedNames } from "./captured_names.ts";
import { endpointsToTry, Firewall } from "./firewall.ts";
import { HelperClient } from "./helper_client.ts";
import type { LaptopChange, LaptopCluster } from "./laptop_cluster.ts";
import { identify } from "./identify.ts";
import { isLoopbackDown } from "./loopback.ts";
import { refusedAttempts } from "./refused_attempts.ts";
import { RouteProgrammer } from "./route_programmer.ts";
import { UdpCapture, type UdpData } from "./udp_capture.ts";
import { VirtualAddresses, type VirtualMeaning } from "./virtual_addresses.ts";
import { VirtualRoutes } from "./virtual_routes.ts";

/** The helper has this long to be gone after `down`, in milliseconds. */
const GONE_TIMEOUT_MS = 3_000;
/** Refused addresses are asked for again after this, in milliseconds, and so many at a time: their reason may have gone. */
const RETRY_MS = 10_000;
const RETRIED = 500;
/** Addresses that were refused and are named in the log, of one change; more are counted. */
const LOGGED = 20;

/** The data plane, as far as it accepts what is captured. */
type CaptureData =
  & Pick<DataPlane, "listen" | "unlisten" | "setCaptured" | "addRefused" | "hideOwn" | "changeAddresses">
  & UdpData;

/**
 * What makes the user's programs reach the clusters: the helper, the addresses that it captures, and the names that lead to them.
 * It ends as a whole, also by itself when the helper does.
 */
export class HostCapture implements AsyncDisposable {
  readonly #helper: HelperClient;
  readonly #data: CaptureData;
  readonly #log: Log;
  readonly #families = new Set<4 | 6>();
  readonly #routes: RouteProgrammer;
  readonly #virtual: VirtualRoutes;
  /** The names that lead to what is captured. */
  readonly names: CapturedNames;
  readonly #clusters = new Map<string, LaptopCluster>();
  readonly #retrying: ReturnType<typeof setInterval>;
  #precedence: RulePrecedence | undefined;
  #damage: readonly NetworkDamage[] = [];
  readonly #firewall: Firewall;
  #udp: UdpCapture | undefined;
  /** Whether the hooks number processes as this one sees them. */
  #seesProcesses = false;
  #disposed: Promise<void> | undefined;

  private constructor(helper: HelperClient, data: CaptureData, log: Log, virtual: VirtualAddresses) {
    this.#helper = helper;
    this.#data = data;
    this.#log = log;
    this.#routes = new RouteProgrammer(helper, this.#families, (refused) => this.#logRefused(refused));
    this.#virtual = new VirtualRoutes({ virtual, routes: this.#routes, data, clusters: this.#clusters });
    this.names = new CapturedNames({
      clusters: this.#clusters,
      routes: this.#routes,
      reachedAt: (id, address) => this.reachedAt(id, address),
    });
    this.#firewall = new Firewall({
      connected: (from) => data.hideOwn(from),
      trace: (address, port) => helper.trace(address, port),
      endpoints: () => endpointsToTry(this.#clusters.values(), (id, address) => this.reachedAt(id, address)),
    });
    this.#retrying = setInterval(() => this.#retry(RETRIED), RETRY_MS);
    helper.onNetwork((news) => this.#networkChanged(news));
  }

  /**
   * Hands the helper its listeners.
   * @param path the helper's socket
   * @param kept `claimed`: a connection to it that is there already; it ends with this. `virtual`: where virtual addresses come from
   * @throws {Failure} `helper`
   */
  static async start(
    data: CaptureData,
    path: string,
    log: Log,
    kept: { readonly claimed?: HelperClient; readonly virtual?: VirtualAddresses } = {},
  ): Promise<HostCapture> {
    const helper = kept.claimed ?? await HelperClient.connect(path);
    const capture = new HostCapture(helper, data, log, kept.virtual ?? new VirtualAddresses());
    try {
      await capture.#listen(4, "127.0.0.1");
      await capture.#listen(6, "::1");
      await identify(helper);
      const seenAs = await helper.followRefusals((news) => capture.#refused(news));
      capture.#seesProcesses = seenAs === Deno.pid;
      capture.#udp = await UdpCapture.start({ helper, data, log, accounts: capture.#accounts() });
    } catch (error) {
      await capture[Symbol.asyncDispose]();
      throw error;
    }
    return capture;
  }

  /** Resolves when the helper is gone, asked to or not. */
  get lost(): Promise<void> {
    return this.#helper.gone;
  }

  /** Has the data plane listen, and hands its listeners to the helper. */
  async #listen(family: 4 | 6, address: string): Promise<void> {
    const listeners = await this.#data.listen(address);
    // A machine without IPv6 has no ::1 and no other IPv6 address, so no program there dials one.
    if (listeners.length === 0) return;
    if (await this.#helper.listeners(family, listeners)) this.#families.add(family);
  }

  get address(): string {
    return this.#helper.facts.address;
  }

  /** Ranges that the helper was granted when it was started. */
  get ranges(): readonly string[] {
    return this.#helper.facts.ranges;
  }

  /** Ranges and addresses that the helper never captures; undefined for an older one, which doesn't say. */
  get never(): readonly string[] | undefined {
    return this.#helper.facts.never;
  }

  /** The accounts that are inside besides the user. */
  get also(): readonly Account[] {
    return this.#helper.facts.also;
  }

  /** All accounts that are inside, as of now: the user's subordinate uids may change. */
  #accounts(): Accounts {
    return [...uidsOf(Deno.uid() ?? -1), ...this.also.map(({ uid }) => ({ first: uid, last: uid }))];
  }

  /** The number of addresses that are captured. */
  get routes(): number {
    return this.#routes.size;
  }

  /** Addresses that the helper refused, and why. */
  get refused(): ReadonlyMap<string, string> {
    return this.#routes.refused;
  }

  /** How it stands, but for the firewall, which takes a look: `blocked`. */
  get state(): ConnectedHelper {
    return {
      state: "connected",
      address: this.address,
      routes: this.routes,
      ...this.also.length > 0 && { also: this.also.map(({ name }) => name) },
      ...this.#precedence && { precedence: this.#precedence },
      ...this.#damage.length > 0 && { damage: this.#damage },
      ...this.#udp?.why !== undefined && { udpProblem: this.#udp.why },
    };
  }

  /** Puts right what other programs have changed of pmz's own network, however often they have before. @throws {Failure} `helper` */
  async repair(): Promise<void> {
    const damage = await this.#helper.repair();
    if (damage) this.#heardDamage(damage);
  }

  /** The end of the helper's log; undefined for an older helper. @throws {Failure} `helper` */
  helperLog(): Promise<string | undefined> {
    return this.#helper.log();
  }

  /**
   * Captured addresses that this machine's own firewall keeps connections from, and the DNS stub that it keeps questions from.
   * While it keeps none from the former, it looks at those at most twice a minute.
   */
  async blocked(): Promise<readonly BlockedConnection[]> {
    const [blocked, stub] = await Promise.all([this.#firewall.blocked(), this.names.unreachedStub()]);
    const all: readonly BlockedConnection[] = stub === undefined
      ? blocked
      : [...blocked, { to: stub, isOfNames: true }];
    return all.length > 0 && isLoopbackDown() ? all.map((one) => ({ ...one, isLoDown: true })) : all;
  }

  /** Why the last datagram to a captured address and port wasn't carried; undefined where it was, or none was sent. */
  udpRefusal(address: string, port: number): string | undefined {
    return this.#udp?.refusal(address, port);
  }

  /** The rule of this machine's firewall that keeps connections from a captured address; undefined where none is known. */
  blockedBy(address: string, port: number): Promise<BlockingRule | undefined> {
    return this.#firewall.blockedBy({ address, port });
  }

  /** As `blocked`, whatever was found before. */
  blockedNow(): Promise<readonly BlockedConnection[]> {
    this.#firewall.forget();
    return this.blocked();
  }

  /** Whether an address is captured, and leads to this cluster. */
  isCaptured(cluster: string, address: string): boolean {
    return this.#routes.isCaptured(cluster, address);
  }

  /** The address by which programs reach a cluster's: its own, else its virtual one; undefined where neither is captured. */
  reachedAt(cluster: string, address: string): string | undefined {
    return this.#virtual.reachedAt(cluster, address);
  }

  /** What a virtual address stands for; undefined for any other. */
  meaningOf(address: string): VirtualMeaning | undefined {
    return this.#virtual.meaningOf(address);
  }

  /** Why an address of a cluster isn't reached; undefined when it is. */
  refusal(cluster: string, address: string): string | undefined {
    if (this.reachedAt(cluster, address) !== undefined) return undefined;
    const why = this.whyNotItself(cluster, address);
    const problem = this.#virtual.problem(cluster, address);
    return why === undefined || problem === undefined ? why : `${why}; ${problem}`;
  }

  /** Why an address of a cluster isn't captured as it is, or leads elsewhere; undefined when it is captured for it. */
  whyNotItself(cluster: string, address: string): string | undefined {
    const meaning = this.meaningOf(address);
    if (meaning) return `it is a virtual address of the cluster ${meaning.cluster}`;
    return this.#routes.refusal(cluster, address);
  }

  /** Takes the user's DNS queries, if that isn't so already. */
  async startNames(startWorker: StartWorker): Promise<void> {
    await this.names.start({
      helper: this.#helper,
      startWorker,
      log: this.#log,
      released: (addresses) =>
        this.#released(new Map(addresses.map((address) => [address, "a nameserver of this machine"]))),
      accounts: () => this.#accounts(),
    });
  }

  /** Captures what a cluster has; again for one that is there: what the helper refused is asked for again. */
  async add(cluster: LaptopCluster): Promise<void> {
    const { id, index: { addresses } } = cluster;
    const accepts = (address: string) => isWithin(address, cluster.acceptedRanges);
    this.#clusters.set(id, cluster);
    const [, routed] = await Promise.all([
      this.#data.setCaptured(id, true),
      this.#routes.add({ id, accepts, ...this.#virtual.routed(cluster) }),
    ]);
    const moved = await this.#settle(routed, addresses.keys());
    // It may have been removed meanwhile; the addresses that moved may be another cluster's too.
    if (this.#clusters.get(id) === cluster) await this.names.setZone(cluster);
    await this.names.change(moved);
  }

  /** Captures what has changed in a cluster; then its names change, so that none leads to an address before it is captured. */
  async change(cluster: LaptopCluster, { addresses, services }: LaptopChange): Promise<void> {
    let moved: ReadonlySet<string> = new Set();
    try {
      const named = [...services].flatMap((key) => [...addressesIn(cluster.index.services.get(key))]);
      moved = await this.#settle(await this.#routes.change(addresses), addresses.union(new Set(named)));
    } finally {
      await this.names.change(moved, cluster.id, services);
    }
  }

  /** @returns the addresses that have moved, with those of which virtual ones have, or that these stand for */
  async #settle(
    moved: ReadonlySet<string>,
    looked: Iterable<string> = [],
  ): Promise<ReadonlySet<string>> {
    return moved.union(await this.#virtual.settle(new Set(looked).union(moved)));
  }

  /** Names no longer lead to what the machine uses itself now, and what it no longer uses is asked for again. */
  #networkChanged({ released, precedence, damage = [] }: NetworkNews["network"]): void {
    this.#precedence = precedence;
    this.#heardDamage(damage);
    this.#firewall.forget();
    const why = new Map(released.map((one) => [one.address, one.why]));
    this.#logRefused(why);
    this.#released(why);
    this.#retry();
  }

  #released(addresses: ReadonlyMap<string, string>): void {
    const moved = this.#routes.released(addresses);
    const settled = this.#virtual.released(addresses).then((need) => this.#settle(moved.union(need)));
    settled.then((moved) => this.names.change(moved))
      .catch((error) => this.#log("warn", "names can't be changed", { error }));
  }

  #heardDamage(damage: readonly NetworkDamage[]): void {
    for (const { part, repaired, problem } of damage) {
      const before = this.#damage.find((one) => one.part === part);
      if (before?.repaired === repaired && before.problem === problem) continue;
      this.#log("warn", "another program has changed pmz's own network", {
        details: `${part}: ${problem ?? `put right, ${repaired} times so far`}`,
      });
    }
    this.#damage = damage;
  }

  #retry(most?: number): void {
    const without = this.#virtual.without(most);
    if (this.#routes.refused.size === 0 && without.length === 0) return;
    const failed = (error: unknown) =>
      this.#log("warn", "refused addresses can't be asked for again", { error });
    this.#routes.retry(most).then((moved) => this.#settle(moved, without))
      .then((moved) => this.names.change(moved)).catch(failed);
  }

  /** Captures nothing of a cluster any longer. */
  async remove(cluster: string): Promise<void> {
    this.#clusters.delete(cluster);
    // A helper that is gone has no routes, and a names worker that is gone has no names.
    const [routes] = await Promise.allSettled([
      this.#routes.remove(cluster),
      this.names.removeZone(cluster),
    ]);
    // It may have been added again meanwhile; and a worker that died has no connections.
    if (!this.#clusters.has(cluster)) {
      await this.#virtual.remove(cluster).catch(() => {});
      await this.#data.setCaptured(cluster, false).catch(() => {});
    }
    if (routes.status === "fulfilled") await this.names.change(await this.#settle(routes.value));
  }

  /** Makes failed flows of what the hooks have refused the user's programs. */
  #refused({ refusals, omitted }: RefusalNews): void {
    const attempts = refusals.map((refusal) => {
      const leadsHere = ({ id }: LaptopCluster) => this.#routes.isCaptured(id, refusal.address);
      const { address } = this.meaningOf(refusal.address) ?? refusal;
      return refusedAttempts({ ...refusal, address }, {
        dialled: refusal.address,
        cluster: [...this.#clusters.values()].find(leadsHere),
        from: this.address,
        seesProcess: this.#seesProcesses,
      });
    });
    this.#data.addRefused(attempts, omitted).catch(() => {}); // a worker that died has no flows
  }

  #logRefused(refused: ReadonlyMap<string, string>): void {
    const own = [...refused].filter(([address]) => this.meaningOf(address) === undefined);
    for (const [address, why] of own.slice(0, LOGGED)) {
      for (const { id, index } of this.#clusters.values()) {
        for (const service of index.servicesAt(address)) {
          this.#log(
            "warn",
            "a Service's address is not captured: its names lead to a virtual one, if to any",
            {
              cluster: id,
              service,
              to: address,
              details: why,
            },
          );
        }
      }
    }
    if (own.length <= LOGGED) return;
    this.#log("warn", "more addresses are not captured", { count: own.length - LOGGED });
  }

  /** What is left some time after the helper was released, in words: its device. */
  async left(): Promise<string[]> {
    const device = `/sys/class/net/${this.#helper.facts.device}`;
    const gone = () => Deno.lstat(device).then(() => false, () => true);
    if (await pollUntil(gone, { timeoutMs: GONE_TIMEOUT_MS })) return [];
    return [`the network device ${this.#helper.facts.device}`];
  }

  [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#retrying);
    return this.#disposed ??= (async () => {
      // At once: who captures next takes the same virtual addresses.
      const rested = [...this.#clusters.keys()].map((id) => this.#virtual.remove(id));
      try {
        await this.names[Symbol.asyncDispose]();
      } finally {
        await this.#udp?.[Symbol.asyncDispose]();
        this.#helper[Symbol.dispose]();
        const released = [...this.#clusters.keys()].map((id) => this.#data.setCaptured(id, false));
        await Promise.allSettled([...rested, ...released, this.#data.unlisten()]); // a worker that died has neither
      }
    })();
  }
}
