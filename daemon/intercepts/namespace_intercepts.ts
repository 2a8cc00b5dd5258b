import type { Api, Call } from "../../kube/client/api.ts";
import { backoff } from "../../async/backoff.ts";
import { sleep } from "../../async/sleep.ts";
import { unlessAborted } from "../../async/abort.ts";
import { watch, type Watched } from "../../kube/watch/watch.ts";
import { type InterceptRule, parseRule, ruleResource } from "../../wire/intercept.ts";
import { type Log, watchLog } from "../process/log.ts";
import { createRule, deleteRule } from "./rules.ts";
import { type Person, Session, type SessionTimes } from "./session.ts";
import type { InterceptTarget } from "./target.ts";

/** An intercept that this laptop wants to have. */
export interface Wanted {
  readonly target: InterceptTarget;
  readonly local: { readonly host: string; readonly port: number };
  readonly since: string;
  /** The rule that stands for it in the cluster; another one after its session was lost. */
  rule: InterceptRule;
  /** Why there's no rule of the present session: somebody else took the port meanwhile, say. */
  problem?: string;
}

/** A session, or a rule of it, that can't be had is tried again. */
const RETRY = { firstMs: 500, maxMs: 10_000 };

/** What NamespaceIntercepts leans on. */
export interface NamespaceParts {
  readonly api: Api;
  readonly namespace: string;
  readonly person: Person;
  readonly log: Log;
  /** Called when rules, their statuses or the session have changed. */
  readonly changed: () => void;
  readonly times?: Partial<SessionTimes>;
}

/** Key of an intercept within its namespace. */
const keyOf = (target: InterceptTarget): string => `${target.service.name}:${target.port.port}`;

/**
 * What this laptop intercepts in one namespace: a session, and its rules. A session that is lost (the laptop slept)
 * is opened anew, with the same rules.
 */
export class NamespaceIntercepts implements AsyncDisposable {
  readonly #api: Api;
  readonly #person: Person;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #times: Partial<SessionTimes>;
  readonly #wanted = new Map<string, Wanted>();
  readonly #statuses: Watched<InterceptRule>;
  readonly #ending = new AbortController();
  readonly #keeping: Promise<unknown>;
  /** Creations under way: until they are over nobody knows which rules are strays. */
  #creating = 0;
  /** The deletion of a stray that is under way: a creation mustn't be given that rule. */
  #deleting: Promise<void> = Promise.resolve();
  /** Resolves when there may be strays. */
  #stirred = Promise.withResolvers<void>();
  #session: Session;

  private constructor(parts: NamespaceParts, session: Session) {
    this.#api = parts.api;
    this.#person = parts.person;
    this.#session = session;
    this.#log = parts.log;
    this.#changed = parts.changed;
    this.#times = parts.times ?? {};
    this.#statuses = watch(parts.api, ruleResource, {
      namespace: parts.namespace,
      parse: parseRule,
      log: watchLog(parts.log),
    });
    this.#statuses.onChange(() => {
      this.#stir();
      parts.changed();
    });
    this.#keeping = Promise.all([this.#keepSession(), this.#sweep()]);
  }

  /** @throws as Session.open */
  static async open(parts: NamespaceParts, signal?: AbortSignal): Promise<NamespaceIntercepts> {
    const { api, namespace, person, log, times = {} } = parts;
    const options = { times, ...(signal && { signal }) };
    return new NamespaceIntercepts(parts, await Session.open(api, namespace, person, log, options));
  }

  get session(): Session {
    return this.#session;
  }

  get wanted(): ReadonlyMap<string, Wanted> {
    return this.#wanted;
  }

  /** The rule as the node agents have last spoken of it. */
  seen(wanted: Wanted): InterceptRule {
    const { rule } = wanted;
    const seen = this.#statuses.items.get(`${rule.namespace}/${rule.name}`);
    if (seen?.uid === rule.uid && this.#isCurrent(wanted)) return seen;
    return { ...rule, status: { pods: [] } };
  }

  /** Adds an intercept, or changes where it goes on the laptop. @throws as createRule. */
  async add(target: InterceptTarget, local: Wanted["local"], signal?: AbortSignal): Promise<Wanted> {
    return await this.#create(signal, async (call) => {
      const had = this.#wanted.get(keyOf(target))?.rule.uid;
      const rule = await createRule(this.#api, this.#session, target, call, had);
      const since = this.#wanted.get(keyOf(target))?.since ?? new Date().toISOString();
      const wanted = { target, local, since, rule };
      this.#wanted.set(keyOf(target), wanted);
      this.#changed();
      return wanted;
    });
  }

  /** Does what creates a rule and takes it down as wanted, while nothing is swept away. @throws the signal's reason */
  async #create<T>(signal: AbortSignal | undefined, work: (call: Call) => Promise<T>): Promise<T> {
    this.#creating++;
    try {
      await (signal ? unlessAborted(this.#deleting, signal) : this.#deleting);
      return await work(signal ? { signal } : {});
    } finally {
      this.#creating--;
      this.#stir();
    }
  }

  /** Gives a port back: at once on this side, and then in the cluster. @throws {ApiError} */
  async remove(wanted: Wanted): Promise<void> {
    this.#wanted.delete(keyOf(wanted.target));
    this.#stir();
    this.#changed();
    await deleteRule(this.#api, wanted.rule);
  }

  #stir(): void {
    this.#stirred.resolve();
    this.#stirred = Promise.withResolvers();
  }

  /** Rules of this session that nobody wants any more: their deletion, or the withdrawal of their creation, failed. */
  #strays(): InterceptRule[] {
    if (this.#creating > 0) return [];
    const wanted = new Set([...this.#wanted.values()].map(({ rule }) => rule.uid));
    const { uid } = this.#session.object;
    return [...this.#statuses.items.values()].filter((rule) =>
      rule.session.uid === uid && !wanted.has(rule.uid)
    );
  }

  /** Deletes strays: an agent asks for a proof of all rules of the session at once, and for a stray there is none. */
  async #sweep(): Promise<void> {
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted;) {
      const stirred = this.#stirred.promise;
      const strays = this.#strays();
      if (strays.length === 0) {
        failures = 0;
        await unlessAborted(stirred, signal).catch(() => {});
        continue;
      }
      // Most are being deleted by whoever gave them back, or are gone and still seen.
      await sleep(backoff(RETRY, failures++), signal);
      if (signal.aborted) return;
      const [stray] = this.#strays();
      if (!stray) continue;
      this.#deleting = deleteRule(this.#api, stray, { signal }).catch((error) => {
        if (failures === 1 && !signal.aborted) {
          this.#log("warn", "a rule that nobody wants can't be deleted", { error });
        }
      });
      await this.#deleting;
    }
  }

  #isCurrent({ rule }: Wanted): boolean {
    return rule.session.uid === this.#session.object.uid;
  }

  /** Waits for the session to be lost, and takes everything up again, for as long as it takes. */
  async #keepSession(): Promise<void> {
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted;) {
      if (failures === 0) {
        await unlessAborted(this.#session.lost, signal).catch(() => {});
        if (signal.aborted) return;
        this.#log("warn", "the session is gone; it's opened anew", {
          service: this.#session.object.namespace,
        });
      }
      try {
        await this.#takeUp(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (failures === 0) this.#log("warn", "intercepts can't be taken up again yet", { error });
        this.#changed();
        await sleep(backoff(RETRY, failures++), signal);
      }
    }
  }

  /** @throws when there's no session, or a rule is missing. */
  async #takeUp(signal: AbortSignal): Promise<void> {
    if (await isSettled(this.#session.lost)) {
      const { namespace } = this.#session.object;
      const options = { signal, times: this.#times };
      try {
        this.#session = await Session.open(this.#api, namespace, this.#person, this.#log, options);
      } catch (error) {
        for (const wanted of this.#wanted.values()) wanted.problem = said(error);
        throw error;
      }
    }
    let missing: unknown;
    for (const wanted of this.#wanted.values()) {
      if (this.#isCurrent(wanted)) continue;
      try {
        await this.#create(signal, async (call) => {
          wanted.rule = await createRule(this.#api, this.#session, wanted.target, call);
          delete wanted.problem;
          // It was given back meanwhile, unless it's the same rule that only goes elsewhere on the laptop now.
          const now = this.#wanted.get(keyOf(wanted.target));
          if (now?.rule.uid !== wanted.rule.uid) await deleteRule(this.#api, wanted.rule);
        });
      } catch (error) {
        wanted.problem = said(error);
        missing = error;
      }
    }
    this.#changed();
    if (missing !== undefined) throw missing;
  }

  /** Ends it all; what is left in the cluster, in words. */
  async end(): Promise<string[]> {
    this.#ending.abort(new Error("the intercepts have ended"));
    this.#wanted.clear();
    await this.#keeping;
    const [gone] = await Promise.all([this.#session.end(), this.#statuses[Symbol.asyncDispose]()]);
    const { namespace, name, durationSeconds } = this.#session.object;
    return gone
      ? []
      : [`the session ${name} in the namespace ${namespace}: agents end it within ${durationSeconds} s`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const not = {};
  return await Promise.race([promise, Promise.resolve(not)]) !== not;
}
