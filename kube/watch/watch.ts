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
  /** It was live, and is being listed or watched again. `items` may be old. */
  | "reconnecting"
  /** The user lacks the right, or the credentials are refused. It is tried again from time to time: rights can be given. */
  | "forbidden"
  /** The cluster doesn't know this kind (a CRD isn't there yet). It is tried again from time to time. */
  | "missing"
  | "closed";

export interface Change<T> {
  readonly kind: "added" | "modified" | "deleted";
  /** `namespace/name`, or `name` for kinds without namespaces. */
  readonly key: string;
  /** For "deleted", the object as it was last. */
  readonly item: T;
}

export interface WatchOptions<T> extends Selection {
  /** Turns an object into the item that is kept. When it throws, that is logged and the object left out. */
  parse: (raw: unknown) => T;
  signal?: AbortSignal;
  /** The most items that are kept; further objects are left out, and `overflow` counts them. 20,000 without it. */
  maxItems?: number;
  /** Milliseconds of silence after which a connection counts as dead: servers send a bookmark every minute. 75,000 without it. */
  idleMs?: number;
  /** Milliseconds from the end of an object, where others are left out, until all are listed again: there is room. 60,000 without it. */
  roomMs?: number;
  backoff?: Partial<Backoff>;
  /** Milliseconds that a connection has to last so that the failures before it no longer count; longer after a longer pause. 2,000 without it. */
  soundMs?: number;
  /** Called after each page of a list: how many objects there were so far, and how many there are, where that is known. */
  onPage?: (listed: number, all: number | undefined) => void;
  log?: (message: string, fields: WatchLogFields) => void;
}

/** What a line of a watch's log is about. */
export type WatchLogFields = {
  /** The resource, in plural. */
  readonly kind: string;
  /** One object of it, as {@linkcode Change.key}. */
  readonly key?: string;
  readonly state?: WatchState;
  /** The most items that are kept. */
  readonly limit?: number;
  readonly error?: unknown;
};

/** The objects of a kind, kept up to date until disposed of. */
export interface Watched<T> extends AsyncDisposable {
  /**
   * Resolves with the first complete list. Rejects with an ApiError when that is forbidden or the kind is missing (it is still tried in the
   * background), and with the signal's reason when the watch is stopped before. All other errors are waited out.
   */
  readonly ready: Promise<void>;
  readonly items: ReadonlyMap<string, T>;
  readonly state: WatchState;
  /** Why it isn't live. */
  readonly error: Error | undefined;
  /** Number of objects that are left out because there are too many. */
  readonly overflow: number;
  /**
   * Calls `listener` after each change of `items`. Items that are there already aren't told, nor are objects whose parsed form is the same
   * as before.
   */
  onChange(listener: (change: Change<T>) => void): Disposable;
  onState(listener: (state: WatchState, error: Error | undefined) => void): Disposable;
  /** Drops the connection and resumes at once, after a change of the network. */
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
  /** Keys of the objects that are left out because there are too many. */
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
  /** Runs while there is room for objects that were left out; then all are listed again. */
  #room: ReturnType<typeof setTimeout> | undefined;
  #listsAgain = false;
  #failures = 0;
  /** Milliseconds of the last pause, and when the connection after it went live. */
  #paused = 0;
  #liveSince: number | undefined;
  /** Attempts in a row that make the version look stale. */
  #stale = 0;
  #state: WatchState = "connecting";
  #error: Error | undefined;

  constructor(api: Api, resource: Resource, options: WatchOptions<T>) {
    this.#api = api;
    this.#resource = resource;
    this.#options = options;
    this.#backoff = { firstMs: 250, maxMs: 30_000, ...options.backoff };
    this.#signal = this.#closing.signal;
    this.#following = follow(options.signal, this.#closing);
    this.#ready.promise.catch(() => {}); // it may go unheeded: the state tells it too
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
    let version: string | undefined; // where to resume; undefined: list again
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
      // A quiet watch gets no event for hours: the failures of one outage must not make the next one longer.
      if (this.#wasSound()) this.#failures = 0;
      if (this.#listsAgain) version = undefined;
      if (signal.aborted) continue;
      if (ApiError.is(error, "Expired")) version = undefined;
      // A server that was restored from a backup doesn't tell that a version is unknown to it: it's silent, or refuses the version for
      // another reason.
      if (seemsStale(error) && ++this.#stale >= MOST_STALE) {
        version = undefined;
        this.#stale = 0;
      }
      // An end without an error is the server's time limit: resume at once, but never in a tight loop.
      if (error !== undefined) this.#failed(error);
      await this.#pause(error, signal);
    }
    clearTimeout(this.#room);
    this.#following[Symbol.dispose]();
    this.#ready.reject(this.#signal.reason);
    this.#enter("closed", undefined);
  }

  #wasSound(): boolean {
    const since = this.#liveSince;
    this.#liveSince = undefined;
    const { soundMs = SOUND_MS } = this.#options;
    return since !== undefined && performance.now() - since >= Math.max(soundMs, this.#paused);
  }

  async #list(signal: AbortSignal): Promise<string> {
    this.#listsAgain = false;
    const gone = new Set(this.#items.keys());
    const fresh: Read<T>[] = [];
    const left = new Set<string>();
    let version = "";
    let listed = 0;
    // Page by page: the raw objects of a large cluster don't fit into memory.
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
      listed += page.items.length;
      const { isLast, remaining } = page;
      this.#options.onPage?.(
        listed,
        isLast ? listed : remaining === undefined ? undefined : listed + remaining,
      );
    }
    // Removals first: they make room.
    for (const key of gone) this.#remove(key);
    this.#left = left;
    for (const read of fresh) this.#keep(read);
    this.#ready.resolve();
    return version;
  }

  /** Yields the versions that are seen; ends when the server ends the watch at its time limit. */
  async *#follow(version: string, signal: AbortSignal): AsyncGenerator<string> {
    const { namespace, labelSelector, fieldSelector, idleMs = 75_000 } = this.#options;
    const body = await this.#api.stream(pathOf(this.#resource, { namespace }), {
      query: {
        watch: "1",
        allowWatchBookmarks: "true",
        resourceVersion: version,
        // Spread out, so that the watches of all laptops don't come back together.
        timeoutSeconds: String(Math.round(300 * (1 + Math.random()))),
        labelSelector,
        fieldSelector,
      },
      what: `watch ${this.#resource.plural}`,
      signal,
    });
    this.#liveSince = performance.now();
    this.#enter("live", undefined);
    for await (const { type, object } of watchEvents(body, idleMs)) {
      this.#failures = this.#stale = 0;
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
    else this.#remove(key); // its last known state is outdated
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

  /** Counts an object beyond the limit. */
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
    if (this.#left.size > 0) this.#roomCame();
  }

  #roomCame(): void {
    this.#room ??= setTimeout(() => {
      this.#room = undefined;
      if (this.#left.size === 0) return;
      this.#listsAgain = true;
      this.reconnect();
    }, this.#options.roomMs ?? ROOM_MS);
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
    this.#paused = ms;
    await sleep(ms, signal);
  }

  #enter(state: WatchState, error: Error | undefined): void {
    const before = this.#state;
    const wasSilent = this.#error instanceof SilenceError;
    this.#state = state;
    this.#error = error;
    // Silence alone says little: of a kind that it has seen no event of, an API server sends no bookmarks (1.34). What counts is
    // whether the watch can be resumed.
    if (error && !(error instanceof SilenceError) && (before !== state || wasSilent)) {
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

/** An object that has been parsed. */
interface Read<T> {
  readonly key: string;
  readonly item: T;
  readonly version: unknown;
}

const ROOM_MS = 60_000;
const SOUND_MS = 2_000;

/** Attempts in a row with a version that seems stale, after which everything is listed again. */
const MOST_STALE = 2;

/** Silence (servers send bookmarks), or a refusal that may be about the version. */
function seemsStale(error: unknown): boolean {
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
