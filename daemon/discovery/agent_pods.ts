import { createHash } from "node:crypto";
import type { Api } from "../../kube/client/api.ts";
import { parsePod, type Pod } from "../../kube/objects/objects.ts";
import { resources } from "../../kube/client/resources.ts";
import { watch, type Watched } from "../../kube/watch/watch.ts";
import { type Log, watchLog } from "../process/log.ts";

/** The pods of one kind of agent, followed: which of them can be dialled now. */
export class AgentPods implements AsyncDisposable {
  readonly #watched: Watched<Pod>;
  readonly #controller: string | undefined;
  readonly #laptop: string;

  /**
   * @param of.controller the kind of the pods' controller: labels alone can be given by everybody who may create pods there
   * @param of.laptop what tells this laptop from others; random without it
   */
  constructor(
    api: Api,
    of: { namespace: string; selector: string; controller?: string; laptop?: string; log: Log },
  ) {
    this.#controller = of.controller;
    this.#laptop = of.laptop ?? crypto.randomUUID();
    this.#watched = watch(api, resources.pods, {
      namespace: of.namespace,
      labelSelector: of.selector,
      parse: parsePod,
      log: watchLog(of.log),
    });
  }

  /** Settles with the first list. @throws {ApiError} when the pods may not be listed; each look asks again. */
  get ready(): Promise<void> {
    return this.#watched.ready.catch(() => this.#readyNow());
  }

  /** The same after a failure: rights may have been given since, or a login renewed. */
  async #readyNow(): Promise<void> {
    const watched = this.#watched;
    if (watched.state === "live") return;
    if (watched.state === "closed") return await watched.ready;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using _listening = watched.onState((state, error) => {
      if (state === "live") resolve();
      else if (state === "forbidden" || state === "missing") reject(error);
      else if (state === "closed") resolve(watched.ready);
    });
    watched.reconnect();
    await promise;
  }

  /** Pods that are ready and not being deleted, the longest known first. */
  usable(): Pod[] {
    return [...this.#watched.items.values()].filter((pod) =>
      pod.ready && pod.deletionTimestamp === undefined &&
      (this.#controller === undefined ||
        pod.owners.some(({ controller, kind }) => controller && kind === this.#controller))
    );
  }

  onChange(listener: () => void): Disposable {
    return this.#watched.onChange(listener);
  }

  /**
   * A usable pod, as soon as there is one. Of several it is always the same one, and another one for another laptop: each has its share
   * of the laptops, and when one goes, only its own laptops move (rendezvous hashing).
   * @param waiting called with the reason for each wait
   * @throws the signal's reason
   */
  async one(signal: AbortSignal, waiting: (why: string) => void = () => {}): Promise<Pod> {
    for (;;) {
      signal.throwIfAborted();
      const pod = this.#own();
      if (pod) return pod;
      waiting(this.whyNone());
      await this.#change(signal);
    }
  }

  #own(): Pod | undefined {
    const weighed = this.usable().map((pod) => ({ pod, weight: this.#weigh(pod) }));
    return weighed.toSorted((one, other) => one.weight < other.weight ? 1 : -1)[0]?.pod;
  }

  #weigh({ uid }: Pod): string {
    return createHash("sha256").update(`${this.#laptop} ${uid}`).digest("hex");
  }

  /** Why there is no usable pod, in words. */
  whyNone(): string {
    const [first, ...others] = this.#watched.items.values();
    if (!first) return "there is no pod";
    const more = others.length === 0 ? "" : `, nor are ${others.length} others`;
    const how = first.deletionTimestamp === undefined ? first.phase : "being deleted";
    return `pod ${first.name} isn't ready (${how})${more}`;
  }

  /** Reconnects the watch, which continues where it was. */
  reconnect(): void {
    this.#watched.reconnect();
  }

  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _listening = this.#watched.onChange(() => resolve());
    const stop = () => resolve();
    signal.addEventListener("abort", stop, { once: true });
    await promise;
    signal.removeEventListener("abort", stop);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watched[Symbol.asyncDispose]();
  }
}
