import type { Api } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { backoff } from "../../async/backoff.ts";
import { sleep } from "../../async/sleep.ts";
import { follow } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import {
  GROUP,
  type InterceptSession,
  parseSession,
  sessionResource,
  VERSION,
} from "../../wire/intercept.ts";
import type { Log } from "../process/log.ts";
import { SessionKey } from "./session_key.ts";

/** Without a renewal the session is over after this, by the agents' own clocks; in seconds. */
const DURATION_S = 30;

/** In milliseconds. Three tries fit into a session's life, each with an answer that doesn't come. */
export interface SessionTimes {
  readonly renewEveryMs: number;
  /** Between renewals that fail. */
  readonly retry: { readonly firstMs: number; readonly maxMs: number };
  /** A renewal's answer. */
  readonly renewTimeoutMs: number;
  /** The answer to the deletion: `down` waits for it, also where the API server can't be reached. */
  readonly endTimeoutMs: number;
}

const TIMES: SessionTimes = {
  renewEveryMs: 6_000,
  retry: { firstMs: 500, maxMs: 5_000 },
  renewTimeoutMs: 3_000,
  endTimeoutMs: 3_000,
};

/** Who intercepts, and from which machine: what colleagues see. */
export interface Person {
  /** As the cluster knows the user. */
  readonly user: string;
  /** The laptop's name. */
  readonly machine: string;
  /** Tells laptops and users of one name apart, and contexts: the end of the session's name. */
  readonly mark: string;
}

/**
 * This daemon's presence in a namespace: an InterceptSession that is renewed until it's disposed, and then deleted;
 * its rules go with it, by ownership.
 */
export class Session implements AsyncDisposable {
  readonly #api: Api;
  readonly #log: Log;
  readonly #times: SessionTimes;
  readonly #ending = new AbortController();
  readonly #renewing: Promise<void>;
  readonly #lost = Promise.withResolvers<void>();
  #ended: Promise<boolean> | undefined;
  #soon = new AbortController();
  readonly key: SessionKey;
  readonly object: InterceptSession;

  private constructor(api: Api, key: SessionKey, object: InterceptSession, log: Log, times: SessionTimes) {
    this.#api = api;
    this.key = key;
    this.object = object;
    this.#log = log;
    this.#times = times;
    this.#renewing = this.#renew();
  }

  /**
   * Creates the session. One of the same name is this user's, on this machine, by this context, of a daemon that is gone
   * (there's one daemon a user): it's deleted first.
   * @throws {ApiError} @throws the signal's reason
   */
  static async open(
    api: Api,
    namespace: string,
    person: Person,
    log: Log,
    options: { signal?: AbortSignal; times?: Partial<SessionTimes> } = {},
  ): Promise<Session> {
    const call = options.signal ? { signal: options.signal } : {};
    const times = { ...TIMES, ...options.times };
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
    const create = async () => parseSession(await api.create(sessionResource, body, { namespace, ...call }));
    try {
      return new Session(api, key, await create(), log, times);
    } catch (error) {
      if (!ApiError.is(error, "AlreadyExists") && !options.signal?.aborted) throw error;
      // Given up, it may have been created all the same.
      using limit = new TimeLimit(times.endTimeoutMs);
      await remove(api, { namespace, name }, { signal: limit.signal }).catch((failure) => {
        if (!options.signal?.aborted) throw failure;
      });
      options.signal?.throwIfAborted();
      return new Session(api, key, await create(), log, times);
    }
  }

  /** Resolves when somebody else has deleted the session: the laptop slept for longer than it lives, say. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  /** Renews it at once: for who knows that the laptop slept. */
  renew(): void {
    this.#soon.abort();
  }

  async #renew(): Promise<void> {
    const signal = this.#ending.signal;
    let failures = 0;
    while (!signal.aborted) {
      const soon = this.#soon = new AbortController();
      using _ending = follow(signal, soon);
      await sleep(failures ? backoff(this.#times.retry, failures) : this.#times.renewEveryMs, soon.signal);
      if (signal.aborted) return;
      try {
        if (!await this.#renewOnce(signal)) return this.#lost.resolve();
        failures = 0;
      } catch (error) {
        if (!signal.aborted && failures++ === 0) {
          const { namespace, name } = this.object;
          this.#log("warn", "the session can't be renewed", { service: `${namespace}/${name}`, error });
        }
      }
    }
  }

  /** False when the session is gone, or is another one by now. */
  async #renewOnce(signal: AbortSignal): Promise<boolean> {
    const { namespace, name, uid } = this.object;
    using limit = new TimeLimit(this.#times.renewTimeoutMs, signal);
    try {
      const patch = { spec: { renewal: crypto.randomUUID() } };
      const { metadata } = await this.#api.patch(sessionResource, { namespace, name }, patch, {
        signal: limit.signal,
      });
      return metadata.uid === uid;
    } catch (error) {
      if (ApiError.is(error, "NotFound")) return false;
      throw error;
    }
  }

  /** Ends it: says whether it's gone from the cluster too. If not, the agents delete it when its time is over. */
  end(): Promise<boolean> {
    return this.#ended ??= (async () => {
      this.#ending.abort();
      await this.#renewing;
      const { namespace, name, uid } = this.object;
      using limit = new TimeLimit(this.#times.endTimeoutMs);
      try {
        await remove(this.#api, { namespace, name, uid }, { signal: limit.signal });
        return true;
      } catch (error) {
        this.#log("warn", "the session can't be deleted", { service: `${namespace}/${name}`, error });
        return false;
      }
    })();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

async function remove(
  api: Api,
  { namespace, name, uid }: { namespace: string; name: string; uid?: string },
  call: { signal?: AbortSignal },
): Promise<void> {
  try {
    await api.delete(sessionResource, { namespace, name }, {
      ...call,
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      propagationPolicy: "Background",
    });
  } catch (error) {
    if (!ApiError.is(error, "NotFound") && !ApiError.is(error, "Conflict")) throw error;
  }
}
