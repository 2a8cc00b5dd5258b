/** Hot path: promises and objects for each request, none for each piece of a body. */
import { writeAll } from "../../http/byte_reader.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import type { RoutedRule } from "../routing/router.ts";
import { Broken, write } from "./broken.ts";
import { answerOf, openStream } from "./laptop_stream.ts";
import { Upstream } from "./upstream.ts";
import type { InterceptedConnection, Upstreams } from "./upstreams.ts";

/** Laptops' streams that a connection keeps open for its next requests. */
const MOST_KEPT = 8;
/**
 * Milliseconds that a server's connection may have been idle, without the caller seeing its end, for a request that can't be
 * sent again: servers close idle ones after seconds.
 */
const SURE_MS = 1_000;

/** The servers that answer one caller's requests: the laptops of personal rules, and the one that has all else. */
export class Servers {
  readonly #connection: InterceptedConnection;
  readonly #upstreams: Upstreams;
  readonly #laptops = new Map<string, Upstream>();
  /** The connection to the pod, or to the whole-service rule's laptop. */
  others: Upstream | undefined;
  /** The one that has got a request last. */
  last: Upstream | undefined;
  wentToLaptop = false;
  /** Why a laptop has declined a request. */
  declined: string | undefined;

  /** @param pod the connection to the pod, if it was dialled already */
  constructor(connection: InterceptedConnection, upstreams: Upstreams, pod?: Upstream) {
    this.#connection = connection;
    this.#upstreams = upstreams;
    this.others = this.last = pod;
    pod?.rest();
  }

  /**
   * Sends the first bytes of a request to where it goes; `rule` is the one that takes it.
   * @param isRepeatable whether they are all of a request that may be sent again
   * @throws {Broken}
   */
  async ask(rule: RoutedRule | undefined, first: Uint8Array, isRepeatable: boolean): Promise<Upstream> {
    const upstream = await this.#send(rule, first, isRepeatable);
    if (rule) rule.counts[upstream.rule === rule.uid ? "taken" : "declined"]++;
    return upstream;
  }

  /** Sends a request again that came when its server closed the connection. @throws {Broken} */
  async askAgain(lost: Upstream, rule: RoutedRule | undefined, request: Uint8Array): Promise<Upstream> {
    this.forget(lost);
    return await this.#send(rule, request, true);
  }

  async #send(rule: RoutedRule | undefined, first: Uint8Array, isRepeatable: boolean): Promise<Upstream> {
    let upstream = rule && await this.#askLaptop(rule, first, isRepeatable);
    if (upstream) this.wentToLaptop = true;
    else {
      upstream = await this.ofOthers(isRepeatable);
      upstream.busy = true;
      await write(upstream, first);
    }
    this.#setLast(upstream);
    return upstream;
  }

  /**
   * The one that gets a request, if it is connected already and waits for one; `rule` is the one that takes it.
   * @param isRepeatable whether the request may be sent again
   */
  ready(rule: RoutedRule | undefined, isRepeatable: boolean): Upstream | undefined {
    const upstream = rule ? this.#laptops.get(rule.uid) : this.others;
    if (!upstream || upstream.busy || upstream.stale) return undefined;
    if (!isRepeatable && !this.#isSure(upstream)) return undefined;
    const uid = rule ? rule.uid : this.#upstreams.whole();
    const tunnel = uid === undefined ? undefined : this.#upstreams.tunnels.of(uid)[0];
    return upstream.tunnel === tunnel && upstream.rule === (tunnel && uid) ? upstream : undefined;
  }

  /** A request was sent to one that was ready; `rule` is the one that took it. */
  asked(upstream: Upstream, rule: RoutedRule | undefined): void {
    if (rule) {
      this.wentToLaptop = true;
      rule.counts.taken++;
    }
    this.#setLast(upstream);
  }

  #setLast(upstream: Upstream): void {
    const before = this.last;
    this.last = upstream;
    if (!before || before === upstream) return;
    if (before.stale) this.forget(before);
    else before.watch(() => this.#left(before));
  }

  /** One has answered. If it ends before its next request, it is left at once, unless the caller has to see that. */
  rest(upstream: Upstream): void {
    upstream.rest(() => this.#left(upstream));
  }

  #left(upstream: Upstream): void {
    if (upstream !== this.last) this.forget(upstream);
  }

  /** Closes all but one. */
  close(except?: Upstream): void {
    for (const upstream of this.#all()) if (upstream !== except) closeQuietly(upstream.transport);
  }

  /** Closes all; those that have a request see a break. */
  abort(reason: Error): void {
    for (const upstream of this.#all()) {
      if (upstream.busy) upstream.transport.abort(reason);
      else closeQuietly(upstream.transport);
    }
  }

  /** Sends the first bytes of a request to a rule's laptop; undefined where it goes to the pod. @throws {Broken} */
  async #askLaptop(
    { uid }: RoutedRule,
    first: Uint8Array,
    isRepeatable: boolean,
  ): Promise<Upstream | undefined> {
    const { tunnels } = this.#upstreams;
    const [tunnel] = tunnels.of(uid);
    const kept = this.#laptops.get(uid);
    if (kept && !kept.stale && kept.tunnel === tunnel && (isRepeatable || this.#isSure(kept))) {
      kept.busy = true;
      await write(kept, first);
      return kept;
    }
    if (kept) this.forget(kept);
    const stream = openStream(tunnels, uid, this.#about());
    if (!stream) return undefined;
    const sending = writeAll(stream, first);
    sending.catch(() => {}); // the answer tells
    const answer = await answerOf(stream, () => true, () => sending);
    if (answer.kind === "failed") throw new Broken("laptop", answer.details);
    if (answer.kind === "declined") {
      this.declined = answer.details;
      return undefined;
    }
    for (const [, oldest] of this.#laptops) {
      if (this.#laptops.size < MOST_KEPT) break;
      this.forget(oldest);
    }
    const laptop = new Upstream(stream, { rule: uid, tunnel, closed: stream.closed });
    laptop.busy = true;
    this.#laptops.set(uid, laptop);
    return laptop;
  }

  /** Closes one, which gets no further request. */
  forget(upstream: Upstream): void {
    closeQuietly(upstream.transport);
    const { rule } = upstream;
    if (rule !== undefined && this.#laptops.get(rule) === upstream) this.#laptops.delete(rule);
    if (this.others === upstream) this.others = undefined;
    if (this.last === upstream) this.last = undefined;
  }

  /** Where everything goes that no personal rule takes. @throws {Broken} */
  async ofOthers(isRepeatable = false): Promise<Upstream> {
    const rule = this.#upstreams.whole();
    const tunnel = rule === undefined ? undefined : this.#upstreams.tunnels.of(rule)[0];
    const whole = tunnel && rule;
    const now = this.others;
    if (now?.busy) return now;
    if (now && !now.stale && now.rule === whole && now.tunnel === tunnel) {
      if (isRepeatable || this.#isSure(now)) return now;
    }
    if (now) this.forget(now);
    return this.others = await this.#dialOthers(whole, tunnel);
  }

  async #dialOthers(whole: string | undefined, tunnel: unknown): Promise<Upstream> {
    const stream = openStream(this.#upstreams.tunnels, whole, this.#about());
    if (stream && whole !== undefined) {
      const answer = await answerOf(stream, () => false, () => Promise.resolve());
      if (answer.kind === "accepted") {
        this.wentToLaptop = true;
        return new Upstream(stream, { rule: whole, tunnel, closed: stream.closed });
      }
      if (answer.kind === "failed") throw new Broken("laptop", answer.details);
      this.declined = answer.details;
    }
    try {
      return new Upstream(await this.#upstreams.dialPod());
    } catch (error) {
      throw new Broken("pod", error);
    }
  }

  /** Whether a request that can't be sent again may go there: the caller sees its end as without pmz, or it's hardly closing. */
  #isSure(upstream: Upstream): boolean {
    const { restingSince } = upstream;
    return upstream === this.last || restingSince === undefined || performance.now() - restingSince < SURE_MS;
  }

  #about() {
    const { caller, destination } = this.#connection;
    return { caller, destination, flow: this.#upstreams.flow, pod: this.#upstreams.pod };
  }

  #all(): Upstream[] {
    return [...this.#laptops.values(), ...this.others ? [this.others] : []];
  }
}
