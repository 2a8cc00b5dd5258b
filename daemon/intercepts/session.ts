import type { Api } from "../../kube/api.ts";
import { ApiError } from "../../kube/api_error.ts";
import { backoff, sleep } from "../../kube/backoff.ts";
import type { Resource } from "../../kube/resources.ts";
import { GROUP, type InterceptSession, parseSession, SESSION_PLURAL, VERSION } from "../../wire/intercept.ts";
import type { Log } from "../log.ts";
import { SessionKey } from "./session_key.ts";

/** Without a renewal the session is over after this, by the agents' own clocks; in seconds. */
const DURATION_S = 30;
/** Three tries fit into a session's life. In milliseconds. */
const RENEW_EVERY_MS = 9_000;

export const sessionResource: Resource = {
  group: GROUP,
  version: VERSION,
  plural: SESSION_PLURAL,
  namespaced: true,
};

/** Who intercepts, and from which machine: what colleagues see. */
export interface Person {
  /** As the cluster knows the user. */
  readonly user: string;
  /** The laptop's name. */
  readonly machine: string;
  /** Tells laptops and users of one name apart: the end of the session's name. */
  readonly mark: string;
}

/**
 * This daemon's presence in a namespace: an InterceptSession that is renewed until it's disposed, and then deleted;
 * its rules go with it, by ownership.
 */
export class Session implements AsyncDisposable {
  readonly #api: Api;
  readonly #ending = new AbortController();
  readonly #renewing: Promise<void>;
  readonly #lost = Promise.withResolvers<void>();
  readonly key: SessionKey;
  readonly object: InterceptSession;

  private constructor(api: Api, key: SessionKey, object: InterceptSession, log: Log) {
    this.#api = api;
    this.key = key;
    this.object = object;
    this.#renewing = this.#renew(log);
  }

  /**
   * Creates the session. One of the same name is this user's, on this machine, of a daemon that is gone (there's one
   * daemon a user): it's deleted first.
   * @throws {ApiError}
   */
  static async open(api: Api, namespace: string, person: Person, log: Log): Promise<Session> {
    const key = await SessionKey.create();
    const name = `${
      person.user.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40) || "user"
    }-${person.mark}`;
    const body = {
      apiVersion: `${GROUP}/${VERSION}`,
      kind: "InterceptSession",
      metadata: { name, namespace },
      spec: {
        publicKey: key.publicKey,
        user: person.user,
        machine: person.machine,
        durationSeconds: DURATION_S,
        renewal: crypto.randomUUID(),
      },
    };
    const create = async () => parseSession(await api.create(sessionResource, body, { namespace }));
    try {
      return new Session(api, key, await create(), log);
    } catch (error) {
      if (!ApiError.is(error, "AlreadyExists")) throw error;
      await remove(api, namespace, name);
      return new Session(api, key, await create(), log);
    }
  }

  /** Resolves when somebody else has deleted the session: the laptop slept for longer than it lives, say. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  async #renew(log: Log): Promise<void> {
    const signal = this.#ending.signal;
    const { namespace, name } = this.object;
    let failures = 0;
    while (!signal.aborted) {
      await sleep(failures ? backoff({ firstMs: 500, maxMs: 5_000 }, failures) : RENEW_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        await this.#api.patch(sessionResource, { namespace, name }, {
          spec: { renewal: crypto.randomUUID() },
        }, { signal });
        failures = 0;
      } catch (error) {
        if (ApiError.is(error, "NotFound")) return this.#lost.resolve();
        if (!signal.aborted && failures++ === 0) {
          log("the session can't be renewed", { service: `${namespace}/${name}`, error });
        }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    await this.#renewing;
    const { namespace, name, uid } = this.object;
    await remove(this.#api, namespace, name, uid);
  }
}

async function remove(api: Api, namespace: string, name: string, uid?: string): Promise<void> {
  try {
    await api.delete(sessionResource, { namespace, name }, {
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      propagationPolicy: "Background",
    });
  } catch (error) {
    if (!ApiError.is(error, "NotFound") && !ApiError.is(error, "Conflict")) throw error;
  }
}
