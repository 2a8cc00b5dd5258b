import { follow } from "../../async/abort.ts";
import { sleep } from "../../async/sleep.ts";
import { parseAddress } from "../../net/address.ts";
import type { Api } from "../../kube/client/api.ts";
import { parseNode, parsePod, parseService } from "../../kube/objects/objects.ts";
import { resources } from "../../kube/client/resources.ts";
import { watch, type Watched, type WatchOptions } from "../../kube/watch/watch.ts";
import { KnownAddresses } from "./known_addresses.ts";
import type { LearningTargets } from "./allowed_targets.ts";

type Log = NonNullable<WatchOptions<unknown>["log"]>;

/** The addresses of an object: those that may be dialled, and those that must not be. */
export interface Addresses {
  readonly target: readonly string[];
  readonly node: readonly string[];
}

/** A Service's clusterIPs. Its other addresses are not dialled: externalIPs can be any host's. */
export function ofService(raw: unknown): Addresses {
  return { target: parseService(raw).clusterIPs, node: [] };
}

/** A pod's addresses: its node's for one on the host network; none once it has ended, since another may have them. */
export function ofPod(raw: unknown): Addresses {
  const pod = parsePod(raw);
  if (pod.phase === "Succeeded" || pod.phase === "Failed") return { target: [], node: [] };
  return pod.hostNetwork ? { target: [], node: pod.podIPs } : { target: pod.podIPs, node: [] };
}

/** A node's internal and external addresses. */
export function ofNode(raw: unknown): Addresses {
  return { target: [], node: parseNode(raw).addresses };
}

/** Targets that watches of Services, pods and nodes keep up to date. */
export class WatchedTargets implements LearningTargets, AsyncDisposable {
  readonly #target = new KnownAddresses();
  readonly #node = new KnownAddresses();
  readonly #waiting = new Map<string, Set<AbortController>>();
  readonly #watches: Watched<Addresses>[] = [];
  /** Resolves when all objects are listed; rejects when the rights for that are missing. */
  readonly ready: Promise<void>;
  #complete = false;

  constructor(api: Api, options: { signal?: AbortSignal; log?: Log } = {}) {
    // Nodes come first: addresses that must not be dialled are known before those that may be.
    this.#follow(api, "node", ofNode, options);
    this.#follow(api, "pod", ofPod, options);
    this.#follow(api, "service", ofService, options);
    this.ready = Promise.all(this.#watches.map((each) => each.ready)).then(() => {
      this.#complete = true;
    });
    this.ready.catch(() => {});
  }

  get isComplete(): boolean {
    return this.#complete;
  }

  isTarget(address: string): boolean {
    return this.#target.has(address);
  }

  isNode(address: string): boolean {
    return this.#node.has(address);
  }

  /** Waits until all objects are listed, at most so many milliseconds. */
  async completed(ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.#complete) return true;
    const woken = new AbortController();
    using _cancelled = follow(signal, woken);
    this.ready.then(() => woken.abort(), () => {});
    await sleep(ms, woken.signal);
    return this.#complete;
  }

  /** Waits until an address is known, at most so many milliseconds. */
  async learn(address: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.isTarget(address) || this.isNode(address)) return;
    const waiting = this.#waiting.get(address) ?? new Set();
    this.#waiting.set(address, waiting);
    const woken = new AbortController();
    using _cancelled = follow(signal, woken);
    waiting.add(woken);
    await sleep(ms, woken.signal);
    waiting.delete(woken);
    if (waiting.size === 0) this.#waiting.delete(address);
  }

  get counts(): { targets: number; nodes: number } {
    return { targets: this.#target.size, nodes: this.#node.size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#watches.map((each) => each[Symbol.asyncDispose]()));
  }

  #follow(
    api: Api,
    kind: "node" | "pod" | "service",
    parse: (raw: unknown) => Addresses,
    options: { signal?: AbortSignal; log?: Log },
  ): void {
    const watched = watch(api, resources[`${kind}s`], { ...options, parse, maxItems: MOST[kind] });
    watched.onChange(({ kind: what, key, item }) => {
      const object = `${kind}/${key}`;
      this.#node.set(object, what === "deleted" ? [] : item.node);
      this.#target.set(object, what === "deleted" ? [] : item.target);
      if (what !== "deleted") this.#tell([...item.target, ...item.node]);
    });
    this.#watches.push(watched);
  }

  #tell(addresses: readonly string[]): void {
    if (this.#waiting.size === 0) return;
    for (const text of addresses) {
      for (const woken of this.#waiting.get(parseAddress(text)?.text ?? "") ?? []) woken.abort();
    }
  }
}

/** More than Kubernetes' own limits for a cluster (5,000 nodes, 150,000 pods, 10,000 Services). */
const MOST = { node: 20_000, pod: 200_000, service: 50_000 } as const;
