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

/** A session without a renewal ends after this, by the agents' own clocks; in seconds. */
const DURATION_S = 30;

/** In milliseconds. Three attempts without an answer fit into the time that a session lasts without a renewal. */
export interface SessionTimes {
  readonly renewEveryMs: number;
  /** After a renewal that failed. */
  readonly retry: { readonly firstMs: number; readonly maxMs: number };
  /** A renewal's answer. */
  readonly renewTimeoutMs: number;
  /** The answer to the deletion, for which `down` waits even when the API server can't be reached. */
  readonly endTimeoutMs: number;
}

const TIMES: SessionTimes = {
  renewEveryMs: 6_000,
  retry: { firstMs: 500, maxMs: 5_000 },
  renewTimeoutMs: 3_000,
  endTimeoutMs: 3_000,
};

/** The user and the machine of an intercept, as colleagues see them. */
export interface Person {
  /** The user's name in the cluster. */
  readonly user: string;
  /** The laptop's name. */
  readonly machine: string;
  /** The end of the session's name, which tells apart laptops and users of the same name, and contexts. */
  readonly mark: string;
}

/**
 * This daemon's presence in a namespace: an InterceptSession that is renewed until it's disposed, and then deleted. Its rules are
 * deleted with it, by ownership.
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
   * Creates the session. A session of the same name belongs to an earlier daemon of this user, on this machine and by this context,
   * which is gone, since a user has one daemon: it is deleted first.
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
      // The creation was given up, and may have happened all the same.
      using limit = new TimeLimit(times.endTimeoutMs);
      await remove(api, { namespace, name }, { signal: limit.signal }).catch((failure) => {
        if (!options.signal?.aborted) throw failure;
      });
      options.signal?.throwIfAborted();
      return new Session(api, key, await create(), log, times);
    }
  }

  /** Resolves when the session was deleted in the cluster, for example since the laptop slept for too long. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  /** Renews it at once, after the laptop slept. */
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

  /** @returns false when the session is gone, or another one has its name */
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

  /** Ends the session. @returns whether it was deleted in the cluster; if not, the agents delete it when its time has passed */
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
