import { isDeepStrictEqual } from "node:util";
import type { Api, Selection } from "../client/api.ts";
import { ApiError } from "../client/api_error.ts";
import { pathOf, type Resource } from "../client/resources.ts";
import { follow } from "../../async/abort.ts";
import { SilenceError, watchEvents } from "./watch_stream.ts";
import { type Backoff, backoff } from "../../async/backoff.ts";
import { sleep } from "../../async/sleep.ts";

export type WatchState =
  | "connecting"
  /** Listed, and changes arrive. */
  | "live"
  /** Was live; being listed or watched again. What is in `items` may be old. */
  | "reconnecting"
  /** The rights aren't there (or the credentials are refused). Tried again now and then: rights can be given. */
  | "forbidden"
  /** The cluster doesn't know this kind (a CRD isn't there yet). Tried again now and then. */
  | "missing"
  | "closed";

export interface Change<T> {
  readonly kind: "added" | "modified" | "deleted";
  /** `namespace/name`, or `name` for kinds without namespaces. */
  readonly key: string;
  /** For "deleted" what it was last. */
  readonly item: T;
}

export interface WatchOptions<T> extends Selection {
  /** Makes of an object as it came what is kept. What it throws is logged, and the object left out. */
  parse: (raw: unknown) => T;
  signal?: AbortSignal;
  /** Further objects are left out, and `overflow` counts them. 20,000 without it. */
  maxItems?: number;
  /** Milliseconds of silence after which a connection counts as dead; servers send a bookmark every minute. 75,000 without it. */
  idleMs?: number;
  backoff?: Partial<Backoff>;
  log?: (message: string, fields: Record<string, unknown>) => void;
}

/** The objects of a kind, kept up to date until disposed of. */
export interface Watched<T> extends AsyncDisposable {
  /**
   * Settles with the first whole list. Rejects with an ApiError when that is forbidden or the kind is missing (trying goes on
   * in the background), with the signal's reason when it was stopped before; waits through everything else.
   */
  readonly ready: Promise<void>;
  readonly items: ReadonlyMap<string, T>;
  readonly state: WatchState;
  /** Why it isn't live. */
  readonly error: Error | undefined;
  /** How many objects are left out because there are too many. */
  readonly overflow: number;
  /**
   * Called after `items` has changed. What is in `items` already isn't told again, nor is an object of which nothing has changed
   * that is kept (`parse`).
   */
  onChange(listener: (change: Change<T>) => void): Disposable;
  onState(listener: (state: WatchState, error: Error | undefined) => void): Disposable;
  /** Drops the connection and takes up again at once: for who knows that the network has changed. */
  reconnect(): void;
}

/**
 * Lists the objects of a kind and follows their changes, through lost connections and forgotten versions.
 *
 * @example
 * ```ts ignore
 * await using services = watch(api, resources.services, { namespace: "default", parse: parseService });
 * await services.ready;
 * for (const [key, service] of services.items) console.log(key, service.clusterIPs);
 * ```
 */
export function watch<T>(api: Api, resource: Resource, options: WatchOptions<T>): Watched<T> {
  return new Watcher(api, resource, options);
}

class Watcher<T> implements Watched<T> {
  readonly #api: Api;
  readonly #resource: Resource;
  readonly #options: WatchOptions<T>;
  readonly #items = new Map<string, T>();
  /** The resourceVersion of each item, to tell what a new list doesn't change. */
  readonly #versions = new Map<string, unknown>();
  #left: Set<string> = new Set();
  readonly #changed = new Set<(change: Change<T>) => void>();
  readonly #stated = new Set<(state: WatchState, error: Error | undefined) => void>();
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  readonly #following: Disposable;
  readonly #ready = Promise.withResolvers<void>();
  readonly #done: Promise<void>;
  readonly #backoff: Backoff;
  #attempt = new AbortController();
  #failures = 0;
  /** How often in a row the version brought nothing. */
  #barren = 0;
  #state: WatchState = "connecting";
  #error: Error | undefined;

  constructor(api: Api, resource: Resource, options: WatchOptions<T>) {
    this.#api = api;
    this.#resource = resource;
    this.#options = options;
    this.#backoff = { firstMs: 250, maxMs: 30_000, ...options.backoff };
    this.#signal = this.#closing.signal;
    this.#following = follow(options.signal, this.#closing);
    this.#ready.promise.catch(() => {}); // whoever doesn't wait for it sees the state
    this.#done = this.#run();
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }
  get items(): ReadonlyMap<string, T> {
    return this.#items;
  }
  get state(): WatchState {
    return this.#state;
  }
  get error(): Error | undefined {
    return this.#error;
  }
  get overflow(): number {
    return this.#left.size;
  }

  onChange(listener: (change: Change<T>) => void): Disposable {
    this.#changed.add(listener);
    return { [Symbol.dispose]: () => void this.#changed.delete(listener) };
  }

  onState(listener: (state: WatchState, error: Error | undefined) => void): Disposable {
    this.#stated.add(listener);
    return { [Symbol.dispose]: () => void this.#stated.delete(listener) };
  }

  reconnect(): void {
    this.#failures = 0;
    this.#attempt.abort(new SilenceError("the connection was dropped on request"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new DOMException("the watch was closed", "AbortError"));
    await this.#done;
  }

  async #run(): Promise<void> {
    let version: string | undefined; // where to go on; undefined: list anew
    while (!this.#signal.aborted) {
      const attempt = this.#attempt = new AbortController();
      using _stopping = follow(this.#signal, attempt);
      const { signal } = attempt;
      let error: unknown;
      try {
        if (version === undefined) version = await this.#list(signal);
        for await (const seen of this.#follow(version, signal)) version = seen;
      } catch (caught) {
        error = caught;
      }
      if (this.#signal.aborted) break;
      if (signal.aborted) continue;
      if (ApiError.is(error, "Expired")) version = undefined;
      // A server that went back in time (restored from a backup) doesn't say that it doesn't know a version: it's silent, or
      // refuses it for another reason.
      if (isBarren(error) && ++this.#barren >= MOST_BARREN) {
        version = undefined;
        this.#barren = 0;
      }
      // An end without an error is the server's time limit: go on at once, but not round and round.
      if (error !== undefined) this.#failed(error);
      await this.#pause(error, signal);
    }
    this.#following[Symbol.dispose]();
    this.#ready.reject(this.#signal.reason);
    this.#enter("closed", undefined);
  }

  async #list(signal: AbortSignal): Promise<string> {
    const gone = new Set(this.#items.keys());
    const fresh: Read<T>[] = [];
    const left = new Set<string>();
    let version = "";
    // Page by page: of a large cluster, the objects as they came don't fit into memory.
    for await (const page of this.#api.pages(this.#resource, this.#options, { signal })) {
      for (const raw of page.items) {
        const key = keyOf(metadataOf(raw));
        if (this.#isKnown(raw)) gone.delete(key);
        else if (fresh.length >= this.#most && !this.#items.has(key)) this.#leave(left, key);
        else {
          const read = this.#read(raw, key);
          if (!read) continue;
          fresh.push(read);
          gone.delete(key);
        }
      }
      version = page.resourceVersion;
    }
    // What is gone first: it makes room.
    for (const key of gone) this.#remove(key);
    this.#left = left;
    for (const read of fresh) this.#keep(read);
    this.#ready.resolve();
    return version;
  }

  /** Yields the versions seen; ends when the server ends the watch in its own time. */
  async *#follow(version: string, signal: AbortSignal): AsyncGenerator<string> {
    const { namespace, labelSelector, fieldSelector, idleMs = 75_000 } = this.#options;
    const body = await this.#api.stream(pathOf(this.#resource, { namespace }), {
      query: {
        watch: "1",
        allowWatchBookmarks: "true",
        resourceVersion: version,
        // Spread out, so that not all watches of all laptops come back together.
        timeoutSeconds: String(Math.round(300 * (1 + Math.random()))),
        labelSelector,
        fieldSelector,
      },
      what: `watch ${this.#resource.plural}`,
      signal,
    });
    this.#enter("live", undefined);
    for await (const { type, object } of watchEvents(body, idleMs)) {
      this.#failures = this.#barren = 0;
      const metadata = metadataOf(object);
      if (type === "DELETED") this.#remove(keyOf(metadata));
      else if (type !== "BOOKMARK") this.#put(object);
      if (typeof metadata.resourceVersion === "string") yield metadata.resourceVersion;
    }
  }

  #isKnown(raw: unknown): boolean {
    const metadata = metadataOf(raw);
    const { resourceVersion } = metadata;
    return resourceVersion !== undefined && this.#versions.get(keyOf(metadata)) === resourceVersion;
  }

  get #most(): number {
    return this.#options.maxItems ?? 20_000;
  }

  #put(raw: unknown): void {
    const key = keyOf(metadataOf(raw));
    const read = this.#read(raw, key);
    if (read) this.#keep(read);
    else this.#remove(key); // what it was before isn't what it is now
  }

  #read(raw: unknown, key: string): Read<T> | undefined {
    try {
      return { key, item: this.#options.parse(raw), version: metadataOf(raw).resourceVersion };
    } catch (error) {
      this.#options.log?.("left out an object that can't be read", {
        kind: this.#resource.plural,
        key,
        error,
      });
      return undefined;
    }
  }

  #keep({ key, item, version }: Read<T>): void {
    const known = this.#items.has(key);
    if (!known && this.#items.size >= this.#most) return this.#leave(this.#left, key);
    this.#left.delete(key);
    this.#versions.set(key, version);
    if (known && isDeepStrictEqual(this.#items.get(key), item)) return;
    this.#items.set(key, item);
    this.#tell(this.#changed, { kind: known ? "modified" : "added", key, item });
  }

  /** Notes one that is too many. */
  #leave(left: Set<string>, key: string): void {
    if (left.size === 0) {
      this.#options.log?.("there are more objects than are kept", {
        kind: this.#resource.plural,
        limit: this.#most,
      });
    }
    if (left.size < 100_000) left.add(key);
  }

  #remove(key: string): void {
    this.#left.delete(key);
    const item = this.#items.get(key);
    if (item === undefined && !this.#items.has(key)) return;
    this.#items.delete(key);
    this.#versions.delete(key);
    this.#tell(this.#changed, { kind: "deleted", key, item: item as T });
  }

  #failed(error: unknown): void {
    const shown = error instanceof Error ? error : new Error(String(error));
    const denied = error instanceof ApiError && (error.status === 401 || error.status === 403);
    const missing = error instanceof ApiError && error.status === 404;
    if (denied || missing) this.#ready.reject(shown);
    if (ApiError.is(error, "Expired")) return this.#enter("reconnecting", undefined);
    this.#enter(
      denied
        ? "forbidden"
        : missing
        ? "missing"
        : this.#state === "connecting"
        ? "connecting"
        : "reconnecting",
      shown,
    );
  }

  async #pause(error: unknown, signal: AbortSignal): Promise<void> {
    const asked = error instanceof ApiError && error.retryAfter ? error.retryAfter * 1000 : 0;
    const ms = Math.max(backoff(this.#backoff, this.#failures++), Math.min(asked, this.#backoff.maxMs));
    await sleep(ms, signal);
  }

  #enter(state: WatchState, error: Error | undefined): void {
    const before = this.#state;
    this.#state = state;
    this.#error = error;
    if (error && before !== state) {
      this.#options.log?.("a watch isn't live", { kind: this.#resource.plural, state, error });
    }
    if (before !== state || error) this.#tell(this.#stated, state, error);
  }

  #tell<A extends unknown[]>(listeners: Set<(...args: A) => void>, ...args: A): void {
    for (const listener of [...listeners]) {
      try {
        listener(...args);
      } catch (error) {
        this.#options.log?.("a listener of a watch failed", { kind: this.#resource.plural, error });
      }
    }
  }
}

/** An object that has been read. */
interface Read<T> {
  readonly key: string;
  readonly item: T;
  readonly version: unknown;
}

/** So often in a row a version may bring nothing until everything is listed anew. */
const MOST_BARREN = 2;

/** Silence (servers send bookmarks), or a refusal that may be of the version. */
function isBarren(error: unknown): boolean {
  return error instanceof SilenceError ||
    error instanceof ApiError && [400, 500, 504].includes(error.status);
}

function metadataOf(raw: unknown): Record<string, unknown> {
  const metadata = typeof raw === "object" && raw !== null && "metadata" in raw ? raw.metadata : undefined;
  return typeof metadata === "object" && metadata !== null ? metadata as Record<string, unknown> : {};
}

function keyOf(metadata: Record<string, unknown>): string {
  const { namespace, name } = metadata;
  return typeof namespace === "string" && namespace !== "" ? `${namespace}/${name}` : `${name}`;
}
