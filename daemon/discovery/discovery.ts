import type { Api } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { parseEndpointSlice, parsePod, parseService } from "../../kube/objects/objects.ts";
import { type Resource, resources } from "../../kube/client/resources.ts";
import { follow } from "../../async/abort.ts";
import { watch, type Watched } from "../../kube/watch/watch.ts";
import { type Log, watchLog } from "../process/log.ts";
import { grouped, Listing } from "./listing.ts";
import type { Topology, TopologyChange } from "./topology.ts";

/** Changes are told together after this long, in milliseconds: a rollout changes many objects at once. */
const SETTLE_MS = 30;

/** As many as the gateway keeps: Kubernetes' own limits for a cluster are 150,000 pods and 10,000 Services. */
const MOST = { services: 50_000, slices: 100_000, pods: 200_000 } as const;

const LISTED = [resources.services, resources.endpointSlices, resources.pods];

/** Keys that have changed since they were last told. */
type Changes = { readonly [Kind in keyof TopologyChange]: Set<string> };

const noChanges = (): Changes => ({ services: new Set(), slices: new Set(), pods: new Set() });

/**
 * What a cluster has, kept up to date: of all namespaces, or only of the connection's own where the credentials don't allow more.
 */
export class Discovery implements AsyncDisposable {
  readonly #watches = new Map<keyof TopologyChange, Watched<unknown>>();
  readonly #changed: (change: TopologyChange) => void;
  readonly #ending = new AbortController();
  readonly #listing: Listing;
  readonly #most: Readonly<Record<keyof TopologyChange, number>>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #changes = noChanges();
  #topology: Topology | undefined;
  /** What may not be seen, in words. */
  readonly #unseen: string[] = [];
  /** The only namespace of which all Services are seen; undefined when that is so for all. */
  onlyNamespace: string | undefined;

  private constructor(
    changed: (change: TopologyChange) => void,
    listing: Listing,
    most: Readonly<Record<keyof TopologyChange, number>>,
  ) {
    this.#changed = changed;
    this.#listing = listing;
    this.#most = most;
  }

  /**
   * Lists everything once, and follows it from then on: `changed` is called soon after a change. A change that leaves a parsed
   * object as it was isn't told (kube/watch/watch.ts).
   * @param told called with how far the lists are, in words
   * @param signal ends the start: a server that doesn't answer is waited for
   * @param most objects of a kind that are kept; `limits` has how many are left out
   * @throws {ApiError} when not even the Services of the own namespace may be listed. @throws the signal's reason
   */
  static async start(
    api: Api,
    namespace: string,
    log: Log,
    changed: (change: TopologyChange) => void,
    told: (text: string) => void = () => {},
    signal?: AbortSignal,
    most: Readonly<Record<keyof TopologyChange, number>> = MOST,
  ): Promise<Discovery> {
    const listing = new Listing(LISTED.map(({ plural }) => plural), told);
    const discovery = new Discovery(changed, listing, most);
    using _starting = follow(signal, discovery.#ending);
    try {
      const [services, slices, pods] = await Promise.all([
        discovery.#see(api, resources.services, "services", namespace, parseService, log),
        discovery.#see(api, resources.endpointSlices, "slices", namespace, parseEndpointSlice, log)
          .catch(forbidden),
        discovery.#see(api, resources.pods, "pods", namespace, parsePod, log).catch(forbidden),
      ]);
      if (!slices) {
        discovery.#unseen.push(
          "EndpointSlices may not be listed: a Service without endpoints isn't refused at once",
        );
      }
      if (!pods) {
        discovery.#unseen.push("pods may not be listed: only Services are reachable, no pod addresses");
      }
      discovery.#topology = {
        services: services.items,
        ...(slices ? { slices: slices.items } : {}),
        pods: pods?.items ?? new Map(),
      };
      return discovery;
    } catch (error) {
      await discovery[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What isn't seen, in words: since it may not be, or since there is too much of it. */
  get limits(): readonly string[] {
    const omitted = [...this.#watches].flatMap(([kind, { overflow }]) =>
      overflow === 0 ? [] : [tooMany(kind, overflow, this.#most[kind])]
    );
    return [...this.#unseen, ...omitted];
  }

  /** What is there now. The maps are live. */
  get topology(): Topology {
    return this.#topology ?? { services: new Map(), pods: new Map() };
  }

  /** Reconnects all watches, which continue where they were. */
  reconnect(): void {
    for (const watched of this.#watches.values()) watched.reconnect();
  }

  async #see<T>(
    api: Api,
    resource: Resource,
    kind: keyof TopologyChange,
    own: string,
    parse: (raw: unknown) => T,
    log: Log,
  ): Promise<Watched<T>> {
    const { plural } = resource;
    const options = {
      parse,
      maxItems: this.#most[kind],
      log: watchLog(log),
      signal: this.#ending.signal,
      onPage: (listed: number, all: number | undefined) => this.#listing.page(plural, listed, all),
    };
    try {
      return await this.#watch(kind, plural, watch(api, resource, options));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 403)) throw error;
      const seen = await this.#watch(kind, plural, watch(api, resource, { ...options, namespace: own }));
      this.#unseen.push(`only ${resource.plural} of the namespace ${own} may be listed`);
      if (kind !== "pods") this.onlyNamespace = own;
      return seen;
    }
  }

  async #watch<T>(kind: keyof TopologyChange, plural: string, watched: Watched<T>): Promise<Watched<T>> {
    try {
      using _failing = watched.onState((_, error) => {
        if (error) this.#listing.failed(plural, error.message);
      });
      await watched.ready;
    } catch (error) {
      await watched[Symbol.asyncDispose]();
      throw error;
    }
    watched.onChange(({ key }) => this.#note(kind, key));
    this.#watches.set(kind, watched);
    return watched;
  }

  #note(kind: keyof TopologyChange, key: string): void {
    this.#changes[kind].add(key);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const changes = this.#changes;
      this.#changes = noChanges();
      this.#changed(changes);
    }, SETTLE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#ending.abort(new Error("the cluster is disconnected"));
    await Promise.all([...this.#watches.values()].map((watched) => watched[Symbol.asyncDispose]()));
  }
}

function tooMany(kind: keyof TopologyChange, overflow: number, most: number): string {
  const what = kind === "slices" ? "EndpointSlices" : kind === "services" ? "Services" : "pods";
  return `${grouped(overflow)} ${what} are left out: at most ${grouped(most)} are kept`;
}

function forbidden(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 403) return undefined;
  throw error;
}
