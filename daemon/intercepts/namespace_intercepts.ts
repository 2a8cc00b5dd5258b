import type { Api } from "../../kube/api.ts";
import { watch, type Watched } from "../../kube/watch.ts";
import { type InterceptRule, parseRule } from "../../wire/intercept.ts";
import { logged } from "../cluster/discovery.ts";
import type { Log } from "../log.ts";
import { createRule, deleteRule, ruleResource } from "./rules.ts";
import { type Person, Session } from "./session.ts";
import type { InterceptTarget } from "./target.ts";

/** An intercept that this laptop wants to have. */
export interface Wanted {
  readonly target: InterceptTarget;
  readonly local: { readonly host: string; readonly port: number };
  readonly since: string;
  /** The rule that stands for it in the cluster; another one after its session was lost. */
  rule: InterceptRule;
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
  readonly #wanted = new Map<string, Wanted>();
  readonly #statuses: Watched<InterceptRule>;
  #session: Session;
  #ending = false;

  private constructor(api: Api, person: Person, session: Session, log: Log, changed: () => void) {
    this.#api = api;
    this.#person = person;
    this.#session = session;
    this.#log = log;
    this.#changed = changed;
    this.#statuses = watch(api, ruleResource, {
      namespace: session.object.namespace,
      parse: parseRule,
      log: logged(log),
    });
    this.#statuses.onChange(changed);
    void this.#keepSession();
  }

  static async open(
    api: Api,
    namespace: string,
    person: Person,
    log: Log,
    changed: () => void,
  ): Promise<NamespaceIntercepts> {
    return new NamespaceIntercepts(
      api,
      person,
      await Session.open(api, namespace, person, log),
      log,
      changed,
    );
  }

  get session(): Session {
    return this.#session;
  }

  get wanted(): ReadonlyMap<string, Wanted> {
    return this.#wanted;
  }

  /** The rule as the node agents have last spoken of it. */
  seen(wanted: Wanted): InterceptRule {
    const seen = this.#statuses.items.get(`${wanted.rule.namespace}/${wanted.rule.name}`);
    return seen?.uid === wanted.rule.uid ? seen : wanted.rule;
  }

  /** Adds an intercept, or changes where it goes on the laptop. @throws as createRule. */
  async add(target: InterceptTarget, local: Wanted["local"]): Promise<Wanted> {
    const rule = await createRule(this.#api, this.#session, target);
    const since = this.#wanted.get(keyOf(target))?.since ?? new Date().toISOString();
    const wanted = { target, local, since, rule };
    this.#wanted.set(keyOf(target), wanted);
    this.#changed();
    return wanted;
  }

  async remove(wanted: Wanted): Promise<void> {
    this.#wanted.delete(keyOf(wanted.target));
    this.#changed();
    await deleteRule(this.#api, wanted.rule);
  }

  async #keepSession(): Promise<void> {
    for (;;) {
      await this.#session.lost;
      if (this.#ending) return;
      this.#log("the session is gone; it's opened anew", { service: this.#session.object.namespace });
      try {
        this.#session = await Session.open(
          this.#api,
          this.#session.object.namespace,
          this.#person,
          this.#log,
        );
        for (const wanted of this.#wanted.values()) {
          wanted.rule = await createRule(this.#api, this.#session, wanted.target);
        }
      } catch (error) {
        this.#log("intercepts can't be taken up again", { error });
      }
      this.#changed();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    this.#wanted.clear();
    await this.#session[Symbol.asyncDispose]();
    await this.#statuses[Symbol.asyncDispose]();
  }
}
