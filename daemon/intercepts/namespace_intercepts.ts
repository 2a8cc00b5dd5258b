import type { Api, Call } from "../../kube/client/api.ts";
import { backoff } from "../../async/backoff.ts";
import { sleep } from "../../async/sleep.ts";
import { unlessAborted } from "../../async/abort.ts";
import { watch, type Watched } from "../../kube/watch/watch.ts";
import { type InterceptRule, parseRule, ruleResource } from "../../wire/intercept.ts";
import { type Log, watchLog } from "../process/log.ts";
import { canonicalMatch } from "../../wire/match.ts";
import { createRule, deleteRule } from "./rules.ts";
import { type Person, Session, type SessionTimes } from "./session.ts";
import type { InterceptTarget } from "./target.ts";

/** An intercept that this laptop wants to have. */
export interface Wanted {
  readonly target: InterceptTarget;
  readonly local: { readonly host: string; readonly port: number };
  readonly since: string;
  /** The domain that is a name for the Service meanwhile. */
  domain?: string;
  /** When it ends by itself, RFC 3339. */
  until?: string;
  /** Its rule in the cluster; another one after its session was lost. */
  rule: InterceptRule;
  /** Why the present session has no rule for it, such as a port that another user has intercepted meanwhile. */
  problem?: string;
}

/** Between attempts to open a session or to create or delete a rule. */
const RETRY = { firstMs: 500, maxMs: 10_000 };

/** What NamespaceIntercepts needs. */
export interface NamespaceParts {
  readonly api: Api;
  readonly namespace: string;
  readonly person: Person;
  readonly log: Log;
  /** Called when rules, their statuses or the session have changed. */
  readonly changed: () => void;
  readonly times?: Partial<SessionTimes>;
}

/** Key of an intercept within its namespace: a port may have several that take different things. */
export function keyOf({ service, port, match, mirror }: InterceptTarget): string {
  const taken = match === undefined ? "" : ` ${canonicalMatch(match)}`;
  return `${service.name}:${port.port}/${port.protocol}${taken}${mirror ? " mirror" : ""}`;
}

/**
 * The intercepts of this laptop in one namespace: a session and its rules. A session that was lost, since the laptop slept, is
 * replaced by another one with the same rules.
 */
export class NamespaceIntercepts implements AsyncDisposable {
  readonly #api: Api;
  readonly #person: Person;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #times: Partial<SessionTimes>;
  readonly #wanted = new Map<string, Wanted>();
  /** UIDs of rules that the watch has had. */
  readonly #met = new Set<string>();
  readonly #statuses: Watched<InterceptRule>;
  readonly #ending = new AbortController();
  readonly #keeping: Promise<unknown>;
  /** Creations under way: until they have ended, it isn't known which rules are orphans. */
  #creating = 0;
  /** The deletion of an orphan that is under way: no creation may get that rule. */
  #deleting: Promise<void> = Promise.resolve();
  /** Resolves when there may be orphans. */
  #mayHaveOrphans = Promise.withResolvers<void>();
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
      this.#lookForOrphans();
      this.#lookForDeleted();
      parts.changed();
    });
    this.#keeping = Promise.all([this.#keepSession(), this.#collectGarbage()]);
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

  /** How many rules of these intercepts the watch has had. */
  get met(): number {
    return this.#met.size;
  }

  /** The rule with the status that the node agents have last written. */
  seen(wanted: Wanted): InterceptRule {
    const { rule } = wanted;
    const seen = this.#statuses.items.get(`${rule.namespace}/${rule.name}`);
    if (seen?.uid === rule.uid && this.#isCurrent(wanted)) return seen;
    return { ...rule, status: { pods: [] } };
  }

  /** The rules of the namespace that aren't this daemon's own. */
  others({ rule }: Wanted): InterceptRule[] {
    const { uid } = rule.session;
    return [...this.#statuses.items.values()].filter(({ session, deleting }) =>
      session.uid !== uid && !deleting
    );
  }

  /** Adds an intercept, or changes where it goes on the laptop. @throws as createRule. */
  async add(target: InterceptTarget, local: Wanted["local"], signal?: AbortSignal): Promise<Wanted> {
    return await this.#create(signal, async (call) => {
      const had = this.#wanted.get(keyOf(target))?.rule.uid;
      const rule = await createRule(this.#api, this.#session, target, call, had);
      const since = this.#wanted.get(keyOf(target))?.since ?? new Date().toISOString();
      const wanted = { target, local, since, rule };
      this.#wanted.set(keyOf(target), wanted);
      this.#lookForDeleted(); // the watch may have it already
      this.#changed();
      return wanted;
    });
  }

  /** Does work that creates a rule, while no orphan is deleted. @throws the signal's reason */
  async #create<T>(signal: AbortSignal | undefined, work: (call: Call) => Promise<T>): Promise<T> {
    this.#creating++;
    try {
      await (signal ? unlessAborted(this.#deleting, signal) : this.#deleting);
      return await work(signal ? { signal } : {});
    } finally {
      this.#creating--;
      this.#lookForOrphans();
    }
  }

  /** Ends an intercept: at once on this laptop, then in the cluster. @throws {ApiError} */
  async remove(wanted: Wanted): Promise<void> {
    this.#wanted.delete(keyOf(wanted.target));
    this.#met.delete(wanted.rule.uid);
    this.#lookForOrphans();
    this.#changed();
    await deleteRule(this.#api, wanted.rule);
  }

  #lookForOrphans(): void {
    this.#mayHaveOrphans.resolve();
    this.#mayHaveOrphans = Promise.withResolvers();
  }

  /** Finds intercepts whose rules were there, and are deleted by somebody else while the session stays. */
  #lookForDeleted(): void {
    const there = new Set([...this.#statuses.items.values()].map(({ uid }) => uid));
    for (const wanted of this.#wanted.values()) {
      const { uid, name } = wanted.rule;
      if (there.has(uid)) this.#met.add(uid);
      else if (this.#met.delete(uid) && this.#isCurrent(wanted)) {
        wanted.problem =
          `somebody has deleted its rule ${name} in the cluster, and the pods answer: to have it again, ` +
          "intercept it once more";
      }
    }
  }

  /** Rules of this session without an intercept: they could not be deleted, or their creation could not be undone. */
  #orphans(): InterceptRule[] {
    if (this.#creating > 0) return [];
    const wanted = new Set([...this.#wanted.values()].map(({ rule }) => rule.uid));
    const { uid } = this.#session.object;
    return [...this.#statuses.items.values()].filter((rule) =>
      rule.session.uid === uid && !wanted.has(rule.uid)
    );
  }

  /** Deletes orphans: an agent asks for one proof of all rules of the session, and an orphan has none. */
  async #collectGarbage(): Promise<void> {
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted;) {
      const mayHaveOrphans = this.#mayHaveOrphans.promise;
      const orphans = this.#orphans();
      if (orphans.length === 0) {
        failures = 0;
        await unlessAborted(mayHaveOrphans, signal).catch(() => {});
        continue;
      }
      // Most are being deleted already, or are gone and still in the watch.
      await sleep(backoff(RETRY, failures++), signal);
      if (signal.aborted) return;
      const [orphan] = this.#orphans();
      if (!orphan) continue;
      this.#deleting = deleteRule(this.#api, orphan, { signal }).catch((error) => {
        if (failures === 1 && !signal.aborted) {
          this.#log("warn", "a rule without an intercept can't be deleted", { error });
        }
      });
      await this.#deleting;
    }
  }

  #isCurrent({ rule }: Wanted): boolean {
    return rule.session.uid === this.#session.object.uid;
  }

  /** Waits until the session is lost, and then opens another one with the same rules, as often as necessary. */
  async #keepSession(): Promise<void> {
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted;) {
      if (failures === 0) {
        await unlessAborted(this.#session.lost, signal).catch(() => {});
        if (signal.aborted) return;
        this.#log("warn", "the session is gone: another one is opened", {
          service: this.#session.object.namespace,
        });
      }
      try {
        await this.#restore(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (failures === 0) this.#log("warn", "intercepts can't be restored yet", { error });
        this.#changed();
        await sleep(backoff(RETRY, failures++), signal);
      }
    }
  }

  /** @throws when the session can't be opened, or a rule can't be created */
  async #restore(signal: AbortSignal): Promise<void> {
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
          this.#lookForDeleted();
          // The intercept was ended meanwhile, unless it is the same rule with another address on the laptop.
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

  /** Ends all intercepts. @returns what is left in the cluster, in words */
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
