/**
 * Routes the requests of one caller's HTTP/1.1 connection, each for itself. Messages are only delimited: their bytes are
 * passed on as they came, and answers come in the order of their requests.
 *
 * What two parsers could read differently is not routed. From there on the connection is the pod's (or the whole-service
 * rule's, which stands for it), raw: what was not passed on yet, and all that follows. So the pod's own parser is the only
 * one to interpret it. An answer of the pod's that can't be delimited has the same effect; one of a laptop's program ends
 * the connection with a reset, since the caller could take part of it for an answer to its next request.
 *
 * What most connections are made of is answered by plain_exchanges.ts, which says so here as soon as it isn't plain.
 *
 * Hot path: promises and objects for each message, none for each piece of a body.
 */
import type { ByteReader } from "../../http/byte_reader.ts";
import { HttpFormatError } from "../../http/error.ts";
import { idempotent } from "../../http/idempotent.ts";
import { isRequestLine } from "../../http/head.ts";
import { noBody } from "../../http/body_length.ts";
import { MessageBody } from "../../http/message_body.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import { relay } from "../../hbone/mod.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { HeadScan } from "../routing/head_scan.ts";
import { RoutableRequest } from "../routing/request.ts";
import type { RoutedRule } from "../routing/router.ts";
import type { CarriedOutcome, InterceptedConnection, Upstreams } from "./upstreams.ts";
import { Broken } from "./broken.ts";
import { type After, Exchange, type SentRequest, sentRequest } from "./exchange.ts";
import { withoutH2cOffer } from "./h2c_offer.ts";
import { type Beyond, PlainExchanges } from "./plain_exchanges.ts";
import { Servers } from "./servers.ts";
import { UnreadTransport } from "./unread_transport.ts";
import type { Upstream } from "./upstream.ts";

/** Bytes of a request's head; longer ones are not routed. */
const LONGEST_HEAD = 32 * 1024;
/** Bytes of an unfinished head from which on it takes one of the places for long ones. */
const SHORT_HEAD = 4 * 1024;
/** Milliseconds that a head may take from its first byte on; then the pod waits for the rest of it, by its own rules. */
const HEAD_MS = 5_000;

/**
 * What waits to be answered: a request, the end, or what the pod has to interpret (`raw`). `relay` and `close`: the pod, or
 * the laptop's program, that answered last has ended or spoken unasked.
 */
type Next = {
  readonly kind: "request";
  readonly request: RoutableRequest;
  /** Bytes of its head. */
  readonly length: number;
} | {
  readonly kind: "end" | "raw" | "relay" | "close";
};

/** A plain request, of which only so much matters: no answer is read as that to another method but HEAD's. */
const plainRequest: SentRequest = { method: "GET", persists: true, upgrades: false, expectsContinue: false };

const waiting: Beyond = { kind: "waiting" };

export class HttpSession {
  readonly #caller: AbortableTransport;
  readonly #reader: ByteReader;
  readonly #servers: Servers;
  /** Which rule takes a request. */
  readonly #ruleOf: (request: RoutableRequest) => RoutedRule | undefined;
  readonly #plain: PlainExchanges;
  readonly #mirror: Upstreams["mirror"];
  readonly #scan = new HeadScan();
  readonly #longHeads: Upstreams["longHeads"];
  readonly #address: string;
  #exchange: Exchange | undefined;
  #callerEnded = false;
  /** The head that is read has a place among the long ones. */
  #isLong = false;

  /** @param pod the connection to the pod, if it was dialled already */
  constructor(
    caller: AbortableTransport,
    reader: ByteReader,
    connection: InterceptedConnection,
    upstreams: Upstreams,
    pod?: Upstream,
  ) {
    this.#caller = caller;
    this.#reader = reader;
    this.#longHeads = upstreams.longHeads;
    this.#address = connection.caller.address;
    this.#servers = new Servers(connection, upstreams, pod);
    this.#plain = new PlainExchanges(
      caller,
      reader,
      this.#servers,
      () => upstreams.router(),
      connection.caller.address,
    );
    this.#mirror = upstreams.mirror;
    this.#ruleOf = (request) => upstreams.router().byRequest(request, connection.caller.address);
  }

  /** Carries the connection to its end; never rejects. */
  async run(): Promise<CarriedOutcome> {
    try {
      for (;;) {
        // What is copied is read as a request each.
        const beyond = this.#mirror ? waiting : await this.#plain.run();
        const after = await this.#beyond(beyond);
        if (after === "next") continue;
        if (after === "raw") return await this.#relay(await this.#servers.ofOthers());
        if (after === "relay" && this.#servers.last) return await this.#relay(this.#servers.last);
        this.#servers.close();
        closeQuietly(this.#caller);
        return this.#outcome();
      }
    } catch (error) {
      return this.#abort(this.#exchange?.broken ?? error);
    } finally {
      if (this.#isLong) this.#leaveLongHeads();
    }
  }

  /** Does what isn't plain, up to the next request. */
  async #beyond(beyond: Beyond): Promise<After | Exclude<Next["kind"], "request">> {
    switch (beyond.kind) {
      case "decided":
        return await this.#answer(beyond.request, beyond.request.head.bytes.length, { rule: beyond.rule });
      case "asked":
        return await this.#answerSent(
          beyond.upstream,
          plainRequest,
          new MessageBody(noBody),
          beyond.rule,
          beyond.held,
        );
      case "answered":
        return this.#answered(beyond.upstream);
    }
    const next = await this.#next();
    if (this.#isLong) this.#leaveLongHeads();
    return next.kind === "request" ? await this.#answer(next.request, next.length) : next.kind;
  }

  // Waiting for a request

  async #next(): Promise<Next> {
    const [scan, reader] = [this.#scan, this.#reader];
    scan.reset();
    for (let deadline = 0, checked = false;;) {
      const bytes = reader.buffered;
      const end = scan.scan(bytes);
      if (end === "broken" || bytes.length > LONGEST_HEAD && end === "more") return { kind: "raw" };
      if (!checked && scan.firstLine) {
        const { start, end } = scan.firstLine;
        if (!isRequestLine(bytes.subarray(start, end))) return { kind: "raw" };
        checked = true;
      }
      if (typeof end === "number") {
        try {
          return { kind: "request", request: new RoutableRequest(bytes.subarray(0, end)), length: end };
        } catch (error) {
          if (error instanceof HttpFormatError) return { kind: "raw" };
          throw error;
        }
      }
      if (bytes.length === 0) {
        const woken = await this.#idle();
        if (woken !== "more") return { kind: woken };
      } else {
        if (bytes.length >= SHORT_HEAD && !this.#isLong) {
          if (!this.#longHeads.enter(this.#address)) return { kind: "raw" };
          this.#isLong = true;
        }
        deadline ||= performance.now() + HEAD_MS;
        if (!await this.#moreOfHead(deadline - performance.now())) return { kind: "raw" };
      }
    }
  }

  /** Waits for the next request's first bytes. As without pmz, the caller sees when the server that answered last ends. */
  async #idle(): Promise<"more" | "end" | "relay" | "close"> {
    for (;;) {
      const { last, others } = this.#servers;
      // The pod may still say something, to a caller that reads on.
      const end = last !== undefined && last === others ? "relay" : "end";
      if (this.#callerEnded) return end;
      if (this.#reader.buffered.length > 0) return "more"; // while the laptop was lost
      const more = this.#reader.readAhead().then(
        (more) => more ? "more" : end,
        (error) => Promise.reject(new Broken("caller", error)),
      );
      if (!last) return await more;
      const woken = await Promise.race([
        more,
        last.reader.buffered.length > 0
          ? "ended" as const
          : last.reader.readAhead().then(() => "ended" as const, () => "broke" as const),
      ]);
      if (woken === "more" || woken === "end" || woken === "relay") return woken;
      if (last === others) return "relay";
      if (woken === "ended") return "close";
      // The laptop is gone. Requests that it would have had go to the pod.
      this.#servers.forget(last);
    }
  }

  #leaveLongHeads(): void {
    this.#isLong = false;
    this.#longHeads.leave(this.#address);
  }

  /** False when the caller ends, or brings nothing more in time. */
  async #moreOfHead(ms: number): Promise<boolean> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => timer = setTimeout(resolve, ms, false));
    try {
      return await Promise.race([this.#reader.more(), late]);
    } catch (error) {
      throw new Broken("caller", error);
    } finally {
      clearTimeout(timer);
    }
  }

  // Answering it

  /** @param decided which rule takes it, where that was decided before */
  async #answer(
    request: RoutableRequest,
    headLength: number,
    decided?: { readonly rule: RoutedRule | undefined },
  ): Promise<After> {
    const [reader, servers, { others, last }] = [this.#reader, this.#servers, this.#servers];
    // The pod has spoken unasked: what it said comes before any answer.
    if (others !== undefined && others === last && others.reader.buffered.length > 0) return "relay";
    const body = new MessageBody(request.bodyLength);
    let length: number;
    try {
      length = headLength + body.take(reader.buffered.subarray(headLength));
    } catch (error) {
      if (error instanceof HttpFormatError) return "raw";
      throw error;
    }
    const asSent = reader.buffered.subarray(0, length);
    const declined = withoutH2cOffer(request.head, asSent);
    const first = declined ?? asSent;
    const rule = decided ? decided.rule : this.#ruleOf(request);
    if (!rule) this.#mirror?.request(request);
    const isRepeatable = body.complete && idempotent.has(request.method);
    const upstream = await servers.ask(rule, first, isRepeatable);
    // Its buffer is that of the next read. A server that was idle may close its connection at this very moment.
    const held = isRepeatable && upstream.restingSince !== undefined ? first.slice() : undefined;
    reader.skip(length);
    const sent = sentRequest(request.head, declined !== undefined);
    // Nothing follows that could be routed.
    if (upstream === servers.others && !held && !sent.persists) return "raw";
    return await this.#answerSent(upstream, sent, body, rule, held);
  }

  /**
   * Has a request answered whose first bytes were sent.
   * @param held all of it, where it has to be sent again if its server closes meanwhile
   */
  async #answerSent(
    upstream: Upstream,
    request: SentRequest,
    body: MessageBody,
    rule: RoutedRule | undefined,
    held: Uint8Array | undefined,
  ): Promise<After> {
    let after = await this.#exchangeWith(upstream, request, body, held !== undefined);
    if (after === "lost" && held) {
      this.#mirror?.sentAgain();
      upstream = await this.#servers.askAgain(upstream, rule, held);
      after = await this.#exchangeWith(upstream, request, body, false);
    }
    return after === "next" ? this.#answered(upstream) : after;
  }

  #answered(upstream: Upstream): After {
    this.#mirror?.endRequest();
    // It has said more than an answer.
    if (upstream.reader.buffered.length > 0) return upstream === this.#servers.others ? "relay" : "close";
    this.#exchange = undefined;
    this.#servers.rest(upstream);
    return "next";
  }

  async #exchangeWith(
    upstream: Upstream,
    request: SentRequest,
    body: MessageBody,
    isRepeatable: boolean,
  ): Promise<After> {
    const how = { delimited: upstream !== this.#servers.others, isRepeatable };
    const exchange = new Exchange(this.#caller, this.#reader, request, body, upstream, how);
    this.#exchange = exchange;
    const after = await exchange.run();
    this.#callerEnded = exchange.callerEnded;
    return after;
  }

  // Ending

  /** Relays everything from now on, beginning with what was read ahead on both sides. */
  async #relay(upstream: Upstream): Promise<CarriedOutcome> {
    this.#servers.close(upstream);
    const caller = new UnreadTransport(this.#caller, this.#reader, this.#exchange?.handOver());
    const { error, brokenBy } = await relay(caller, upstream.unread());
    if (!error) return this.#outcome();
    const by = brokenBy === "a" ? "caller" : upstream.end;
    return { kind: this.#servers.wentToLaptop ? "laptop" : "pod", by, details: error.message };
  }

  #outcome(): CarriedOutcome {
    const { declined, wentToLaptop } = this.#servers;
    return { kind: wentToLaptop ? "laptop" : "pod", ...declined !== undefined && { details: declined } };
  }

  #abort(error: unknown): CarriedOutcome {
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#servers.abort(reason);
    this.#caller.abort(reason);
    return { kind: "reset", details: reason.message, ...(reason instanceof Broken && { by: reason.by }) };
  }
}
