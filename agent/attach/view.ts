import { createHash } from "node:crypto";
import { ApiError } from "../../kube/client/api_error.ts";
import type { Api } from "../../kube/client/api.ts";
import { parsePod, parseService, type Pod, type Service } from "../../kube/objects/objects.ts";
import { resources } from "../../kube/client/resources.ts";
import { watch, type Watched } from "../../kube/watch/watch.ts";
import { type InterceptSession, parseSession, ruleResource, sessionResource } from "../../wire/intercept.ts";
import type { Log } from "../../wire/log.ts";
import { INTERCEPT_LABEL } from "../../wire/places.ts";
import { callerNamespaces } from "./callers.ts";
import { parseWatchedRule, type WatchedRule } from "./status.ts";

/** A session, with the version that a deletion names as its precondition. */
export interface WatchedSession {
  readonly session: InterceptSession;
  readonly resourceVersion: string;
}

/** The node agent's view of the cluster, and its writes. */
export interface ClusterView extends AsyncDisposable {
  rules(): readonly WatchedRule[];
  sessions(): readonly WatchedSession[];
  /** The pods of this node. */
  pods(): readonly Pod[];
  /** The Services of namespaces that have rules. */
  services(): readonly Service[];
  /** The namespaces whose pods are followed, since some rule's callers are there. */
  callerNamespaces(): ReadonlySet<string>;
  /** The pods of those. */
  callers(): readonly Pod[];
  /** Whether a namespace's Services and labels have been listed. */
  known(namespace: string): boolean;
  /** Listed namespaces with the label `pmz.dev/intercept=denied`. */
  denied(): ReadonlySet<string>;
  /** Calls the listener after any of the above has changed. */
  onChange(listener: () => void): Disposable;
  /** Calls the listener when sessions are listed again after an outage in which they could not be renewed. */
  onReturn(listener: () => void): Disposable;
  /** Writes this node's part of a rule's status. */
  applyStatus(rule: WatchedRule, body: object): Promise<void>;
  /** Deletes a session if it is unchanged; returns whether it did. */
  deleteSession(session: WatchedSession): Promise<boolean>;
}

/** The watches of a namespace that has rules. */
interface Scope extends AsyncDisposable {
  readonly services: Watched<Service>;
  /** The namespace itself: whether it has the label. */
  readonly denied: Watched<boolean>;
  ready: boolean;
}

/** A view that watches of the API server keep up to date. */
export class ApiView implements ClusterView {
  readonly #api: Api;
  readonly #node: string;
  readonly #log: Log;
  readonly #rules: Watched<WatchedRule>;
  readonly #sessions: Watched<WatchedSession>;
  readonly #pods: Watched<Pod>;
  readonly #scopes = new Map<string, Scope>();
  readonly #callers = new Map<string, Watched<Pod>>();
  readonly #changed = new Set<() => void>();
  readonly #returned = new Set<() => void>();

  readonly #watchLog = (message: string, fields: Record<string, unknown>) =>
    this.#log("warn", message, fields);

  constructor(api: Api, node: string, log: Log) {
    this.#api = api;
    this.#node = node;
    this.#log = log;
    const options = { log: this.#watchLog };
    this.#rules = watch(api, ruleResource, { parse: parseWatchedRule, ...options });
    this.#sessions = watch(api, sessionResource, { parse: parseWatchedSession, ...options });
    const fieldSelector = `spec.nodeName=${node}`;
    this.#pods = watch(api, resources.pods, { parse: parsePod, fieldSelector, ...options });
    this.#rules.onChange(() => this.#follow());
    for (const watched of [this.#sessions, this.#pods]) watched.onChange(() => this.#tell());
    let away = false;
    this.#sessions.onState((state) => {
      if (state === "live" && away) { for (const listener of this.#returned) listener(); }
      away = state !== "live";
    });
  }

  rules(): readonly WatchedRule[] {
    return [...this.#rules.items.values()];
  }

  sessions(): readonly WatchedSession[] {
    return [...this.#sessions.items.values()];
  }

  pods(): readonly Pod[] {
    return [...this.#pods.items.values()];
  }

  services(): readonly Service[] {
    return [...this.#scopes.values()].flatMap(({ services }) => [...services.items.values()]);
  }

  callerNamespaces(): ReadonlySet<string> {
    return new Set(this.#callers.keys());
  }

  callers(): readonly Pod[] {
    return [...this.#callers.values()].flatMap(({ items }) => [...items.values()]);
  }

  known(namespace: string): boolean {
    return this.#scopes.get(namespace)?.ready ?? false;
  }

  denied(): ReadonlySet<string> {
    const denied = [...this.#scopes].filter(([, scope]) => scope.denied.items.values().next().value === true);
    return new Set(denied.map(([namespace]) => namespace));
  }

  onChange(listener: () => void): Disposable {
    this.#changed.add(listener);
    return { [Symbol.dispose]: () => void this.#changed.delete(listener) };
  }

  onReturn(listener: () => void): Disposable {
    this.#returned.add(listener);
    return { [Symbol.dispose]: () => void this.#returned.delete(listener) };
  }

  async applyStatus({ rule }: WatchedRule, body: object): Promise<void> {
    const { namespace, name } = rule;
    const options = { fieldManager: fieldManager(this.#node), force: true };
    await this.#api.apply(ruleResource, { namespace, name, subresource: "status" }, body, options);
  }

  async deleteSession({ session, resourceVersion }: WatchedSession): Promise<boolean> {
    const { namespace, name, uid } = session;
    try {
      const preconditions = { uid, resourceVersion };
      await this.#api.delete(sessionResource, { namespace, name }, { preconditions });
      return true;
    } catch (error) {
      if (ApiError.is(error, "NotFound") || ApiError.is(error, "Conflict")) return false;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [
      this.#rules,
      this.#sessions,
      this.#pods,
      ...this.#scopes.values(),
      ...this.#callers.values(),
    ];
    this.#scopes.clear();
    this.#callers.clear();
    await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
  }

  /** Watches exactly the namespaces that have rules. */
  #follow(): void {
    const wanted = new Set(this.rules().map(({ rule }) => rule.namespace));
    for (const [namespace, scope] of this.#scopes) {
      if (wanted.has(namespace)) continue;
      this.#scopes.delete(namespace);
      scope[Symbol.asyncDispose]();
    }
    for (const namespace of wanted) {
      if (!this.#scopes.has(namespace)) this.#scopes.set(namespace, this.#scope(namespace));
    }
    this.#followCallers();
    this.#tell();
  }

  /** Watches the pods of exactly the namespaces that rules name as their callers', up to a limit. */
  #followCallers(): void {
    const wanted = callerNamespaces(this.rules().map(({ rule }) => rule));
    for (const [namespace, watched] of this.#callers) {
      if (wanted.has(namespace)) continue;
      this.#callers.delete(namespace);
      watched[Symbol.asyncDispose]();
    }
    for (const namespace of wanted) {
      if (this.#callers.has(namespace)) continue;
      const watched = watch(this.#api, resources.pods, { namespace, parse: parsePod, log: this.#watchLog });
      watched.onChange(() => this.#tell());
      this.#callers.set(namespace, watched);
    }
  }

  #scope(namespace: string): Scope {
    const log = this.#watchLog;
    const services = watch(this.#api, resources.services, { namespace, parse: parseService, log });
    const denied = watch(this.#api, resources.namespaces, {
      fieldSelector: `metadata.name=${namespace}`,
      parse: isDenied,
      log,
    });
    const scope: Scope = {
      services,
      denied,
      ready: false,
      async [Symbol.asyncDispose]() {
        await Promise.all([services[Symbol.asyncDispose](), denied[Symbol.asyncDispose]()]);
      },
    };
    for (const watched of [services, denied]) watched.onChange(() => this.#tell());
    Promise.all([services.ready, denied.ready]).then(() => {
      scope.ready = true;
      this.#tell();
    }, (error) => this.#log("warn", "can't watch a namespace that has rules", { namespace, error }));
    return scope;
  }

  #tell(): void {
    for (const listener of this.#changed) listener();
  }
}

/** The field manager of a node's entries: at most 128 characters, while a node's name may have 253. */
export function fieldManager(node: string): string {
  const name = `pmz-node-${node}`;
  if (name.length <= 128) return name;
  return `pmz-node-${createHash("sha256").update(node).digest("hex")}`;
}

function parseWatchedSession(raw: unknown): WatchedSession {
  const session = parseSession(raw);
  const { resourceVersion } = (raw as { metadata: { resourceVersion?: unknown } }).metadata;
  if (typeof resourceVersion !== "string") throw new TypeError("metadata.resourceVersion is not a string");
  return { session, resourceVersion };
}

function isDenied(raw: unknown): boolean {
  const { metadata } = raw as { metadata?: { labels?: Record<string, unknown> } };
  return metadata?.labels?.[INTERCEPT_LABEL] === "denied";
}
