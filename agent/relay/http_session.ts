/**
 * Routes the requests of one caller's HTTP/1.1 connection, each for itself. Messages are only delimited: their bytes are
 * passed on as they came, and answers come in the order of their requests.
 *
 * What two parsers could read differently is not routed. From there on the connection is the pod's (or the whole-service
 * rule's, which stands for it), raw: what was not passed on yet, and all that follows. So the pod's own parser is the only
 * one to interpret it. An answer of the pod's that can't be delimited has the same effect; one of a laptop's program ends
 * the connection with a reset, since the caller could take part of it for an answer to its next request.
 *
 * Hot path: promises and objects for each message, none for each piece of a body.
 */
import { type BodyLength, responseBodyLength } from "../../http/body_length.ts";
import { type ByteReader, writeAll } from "../../http/byte_reader.ts";
import { HttpFormatError } from "../../http/error.ts";
import { membersOf } from "../../http/field_lines.ts";
import { isRequestLine, parseResponseHead, type ResponseHead } from "../../http/head.ts";
import { MessageBody } from "../../http/message_body.ts";
import { persists } from "../../http/persistence.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import { relay } from "../../hbone/mod.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { HeadScan } from "../routing/head_scan.ts";
import { RoutableRequest } from "../routing/request.ts";
import type { RoutedRule } from "../routing/router.ts";
import type { CarriedOutcome, InterceptedConnection, Upstreams } from "./upstreams.ts";
import { answerOf, openStream } from "./laptop_stream.ts";
import { UnreadTransport } from "./unread_transport.ts";
import { Upstream } from "./upstream.ts";

/** Bytes of a request's head, and of a response's; longer ones are not routed. */
const LONGEST_HEAD = 32 * 1024;
const LONGEST_RESPONSE_HEAD = 64 * 1024;
/** Milliseconds that a head may take from its first byte on; then the pod waits for the rest of it, by its own rules. */
const HEAD_MS = 5_000;
/** Laptops' streams that a connection keeps open for its next requests. */
const MOST_KEPT = 8;
/** Milliseconds that a caller has to read the last answer, and may still send what nobody reads any more. */
const LINGER_MS = 5_000;

/**
 * What waits to be answered: a request, the end, or what the pod has to interpret (`raw`). `relay` and `close`: the pod, or
 * the laptop's program, that answered last has ended or spoken unasked.
 */
type Next = { readonly kind: "request"; readonly request: RoutableRequest; readonly length: number } | {
  readonly kind: "end" | "raw" | "relay" | "close";
};

/** What follows an exchange. `raw`: all is the pod's to interpret; `relay`: both sides go on raw with the one that answered. */
type After = "next" | "raw" | "relay" | "close";

/** One of the ends broke. */
class Broken extends Error {
  override name = "Broken";
  readonly by: "caller" | "laptop" | "pod";

  constructor(by: "caller" | "laptop" | "pod", cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.by = by;
  }
}

export class HttpSession {
  readonly #caller: AbortableTransport;
  readonly #reader: ByteReader;
  readonly #connection: InterceptedConnection;
  readonly #upstreams: Upstreams;
  readonly #scan = new HeadScan();
  readonly #laptops = new Map<string, Upstream>();
  /** The connection to the pod, or to the whole-service rule's laptop. */
  #others: Upstream | undefined;
  /** The one that has answered last. */
  #last: Upstream | undefined;
  #exchange: Exchange | undefined;
  #callerEnded = false;
  #wentToLaptop = false;
  #declined: string | undefined;

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
    this.#connection = connection;
    this.#upstreams = upstreams;
    this.#others = this.#last = pod;
    pod?.rest();
  }

  /** Carries the connection to its end; never rejects. */
  async run(): Promise<CarriedOutcome> {
    try {
      for (;;) {
        const next = await this.#next();
        const after = next.kind === "request" ? await this.#answer(next.request, next.length) : next.kind;
        if (after === "next") continue;
        if (after === "raw") return await this.#relay(await this.#ofOthers());
        if (after === "relay" && this.#last) return await this.#relay(this.#last);
        this.#closeAll();
        return this.#outcome();
      }
    } catch (error) {
      return this.#abort(this.#exchange?.broken ?? error);
    }
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
        deadline ||= performance.now() + HEAD_MS;
        if (!await this.#moreOfHead(deadline - performance.now())) return { kind: "raw" };
      }
    }
  }

  /** Waits for the next request's first bytes. As without pmz, the caller sees when the server that answered last ends. */
  async #idle(): Promise<"more" | "end" | "relay" | "close"> {
    for (;;) {
      const last = this.#last;
      // The pod may still say something, to a caller that reads on.
      const end = last !== undefined && last === this.#others ? "relay" : "end";
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
      if (last === this.#others) return "relay";
      if (woken === "ended") return "close";
      // The laptop is gone. Requests that it would have had go to the pod.
      this.#forget(last);
    }
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

  async #answer(request: RoutableRequest, headLength: number): Promise<After> {
    const [reader, others, last] = [this.#reader, this.#others, this.#last];
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
    const first = reader.buffered.subarray(0, length);
    const rule = this.#upstreams.router().byRequest(request, this.#connection.caller.address);
    let upstream = rule && await this.#askLaptop(rule, first);
    if (upstream) this.#wentToLaptop = true;
    if (rule) rule.counts[upstream ? "taken" : "declined"]++;
    if (!upstream) {
      upstream = await this.#ofOthers();
      upstream.busy = true;
      await write(upstream, first);
    }
    reader.skip(length);
    const before = this.#last;
    this.#last = upstream;
    if (before?.stale && before !== upstream) this.#forget(before);
    // Nothing follows that could be routed.
    if (upstream === this.#others && !persists(request.head)) return "raw";
    const exchange = this.#exchange = new Exchange(
      this.#caller,
      reader,
      request,
      body,
      upstream,
      upstream !== this.#others,
    );
    const after = await exchange.run();
    this.#callerEnded = exchange.callerEnded;
    if (after !== "next") return after;
    // It has said more than an answer.
    if (upstream.reader.buffered.length > 0) return upstream === this.#others ? "relay" : "close";
    this.#exchange = undefined;
    upstream.rest(() => {
      if (upstream !== this.#last) this.#forget(upstream);
    });
    return "next";
  }

  /** Sends the first bytes of a request to a rule's laptop; undefined where it goes to the pod. @throws {Broken} */
  async #askLaptop({ uid }: RoutedRule, first: Uint8Array): Promise<Upstream | undefined> {
    const { tunnels } = this.#upstreams;
    const [tunnel] = tunnels.of(uid);
    const kept = this.#laptops.get(uid);
    if (kept && !kept.stale && kept.tunnel === tunnel) {
      kept.busy = true;
      await write(kept, first);
      return kept;
    }
    if (kept) this.#forget(kept);
    const stream = openStream(tunnels, uid, this.#about());
    if (!stream) return undefined;
    const sending = writeAll(stream, first);
    sending.catch(() => {}); // the answer tells
    const answer = await answerOf(stream, () => true, () => sending);
    if (answer.kind === "failed") throw new Broken("laptop", answer.details);
    if (answer.kind === "declined") {
      this.#declined = answer.details;
      return undefined;
    }
    for (const [, oldest] of this.#laptops) {
      if (this.#laptops.size < MOST_KEPT) break;
      this.#forget(oldest);
    }
    const laptop = new Upstream(stream, { rule: uid, tunnel });
    laptop.busy = true;
    this.#laptops.set(uid, laptop);
    return laptop;
  }

  #forget(upstream: Upstream): void {
    closeQuietly(upstream.transport);
    const { rule } = upstream;
    if (rule !== undefined && this.#laptops.get(rule) === upstream) this.#laptops.delete(rule);
    if (this.#others === upstream) this.#others = undefined;
    if (this.#last === upstream) this.#last = undefined;
  }

  /** Where everything goes that no personal rule takes. @throws {Broken} */
  async #ofOthers(): Promise<Upstream> {
    const rule = this.#upstreams.whole();
    const tunnel = rule === undefined ? undefined : this.#upstreams.tunnels.of(rule)[0];
    const whole = tunnel && rule;
    const now = this.#others;
    if (now?.busy || now?.stale === false && now.rule === whole && now.tunnel === tunnel) return now;
    if (now) this.#forget(now);
    return this.#others = await this.#dialOthers(whole, tunnel);
  }

  async #dialOthers(whole: string | undefined, tunnel: unknown): Promise<Upstream> {
    const stream = openStream(this.#upstreams.tunnels, whole, this.#about());
    if (stream && whole !== undefined) {
      const answer = await answerOf(stream, () => false, () => Promise.resolve());
      if (answer.kind === "accepted") {
        this.#wentToLaptop = true;
        return new Upstream(stream, { rule: whole, tunnel });
      }
      if (answer.kind === "failed") throw new Broken("laptop", answer.details);
      this.#declined = answer.details;
    }
    try {
      return new Upstream(await this.#upstreams.dialPod());
    } catch (error) {
      throw new Broken("pod", error);
    }
  }

  #about() {
    const { caller, destination } = this.#connection;
    return { caller, destination, flow: this.#upstreams.flow, pod: this.#upstreams.pod };
  }

  // Ending

  /** Relays everything from now on, beginning with what was read ahead on both sides. */
  async #relay(upstream: Upstream): Promise<CarriedOutcome> {
    for (const laptop of this.#laptops.values()) if (laptop !== upstream) closeQuietly(laptop.transport);
    if (this.#others && this.#others !== upstream) closeQuietly(this.#others.transport);
    const caller = new UnreadTransport(this.#caller, this.#reader, this.#exchange?.handOver());
    const { error, brokenBy } = await relay(caller, upstream.unread());
    if (!error) return this.#outcome();
    const by = brokenBy === "a" ? "caller" : upstream.end;
    return { kind: this.#wentToLaptop ? "laptop" : "pod", by, details: error.message };
  }

  #outcome(): CarriedOutcome {
    const details = this.#declined === undefined ? {} : { details: this.#declined };
    return { kind: this.#wentToLaptop ? "laptop" : "pod", ...details };
  }

  #closeAll(): void {
    for (const upstream of this.#all()) closeQuietly(upstream.transport);
    closeQuietly(this.#caller);
  }

  #abort(error: unknown): CarriedOutcome {
    const reason = error instanceof Error ? error : new Error(String(error));
    for (const upstream of this.#all()) {
      if (upstream.busy) upstream.transport.abort(reason);
      else closeQuietly(upstream.transport);
    }
    this.#caller.abort(reason);
    return { kind: "reset", details: reason.message, ...(reason instanceof Broken && { by: reason.by }) };
  }

  #all(): Upstream[] {
    return [...this.#laptops.values(), ...this.#others ? [this.#others] : []];
  }
}

/** One request, whose first bytes were sent, and its answer. */
class Exchange {
  readonly #caller: AbortableTransport;
  readonly #reader: ByteReader;
  readonly #request: RoutableRequest;
  readonly #body: MessageBody;
  readonly #upstream: Upstream;
  /** Whether both messages have to be delimited: they are a laptop's, and the next ones may be the pod's. */
  readonly #delimited: boolean;
  /** What sends the rest of the body; never rejects. */
  #uploading: Promise<void> = Promise.resolve();
  /** A write of the upload. */
  #writing: Promise<unknown> | undefined;
  /** All of the body was sent. */
  #sent = false;
  /** The body isn't what its head says: the pod has to interpret it. */
  #isRaw = false;
  #answered = false;
  #handedOver = false;
  /** What broke, where the upload noticed. */
  broken: Broken | undefined;
  /** The caller sends nothing more. */
  callerEnded = false;

  constructor(
    caller: AbortableTransport,
    reader: ByteReader,
    request: RoutableRequest,
    body: MessageBody,
    upstream: Upstream,
    delimited: boolean,
  ) {
    this.#caller = caller;
    this.#reader = reader;
    this.#delimited = delimited;
    this.#request = request;
    this.#body = body;
    this.#upstream = upstream;
  }

  /** @throws {Broken} */
  async run(): Promise<After> {
    this.#uploading = this.#upload();
    let continued = false;
    for (;;) {
      const head = await this.#responseHead();
      if (!head) return this.#undelimited("the program's answer is not HTTP/1.1");
      const { status } = head;
      if (status === 101) {
        if (this.#delimited && membersOf(this.#request.head.fields, "upgrade").length === 0) {
          throw new Broken("laptop", "the program switches to a protocol that the caller did not ask for");
        }
        await this.#pass(head.bytes.length);
        return "relay";
      }
      if (status < 200) {
        continued ||= status === 100;
        await this.#pass(head.bytes.length);
        continue;
      }
      return await this.#final(head, continued);
    }
  }

  /** Leaves the bytes that the caller sent, and sends from now on, to somebody else, who waits for this first. */
  handOver(): Promise<unknown> | undefined {
    this.#handedOver = true;
    return this.#writing;
  }

  async #final(head: ResponseHead, continued: boolean): Promise<After> {
    let length: BodyLength;
    let body: MessageBody;
    let ready: number;
    const { reader } = this.#upstream;
    try {
      length = responseBodyLength(head, this.#request.method);
      body = new MessageBody(length);
      ready = body.take(reader.buffered.subarray(head.bytes.length));
    } catch (error) {
      if (!(error instanceof HttpFormatError)) throw error;
      return this.#undelimited(error.message);
    }
    // It lasts until the pod's connection ends: there is nothing left to decide.
    if (length.kind === "untilClose" && !this.#delimited) return "raw";
    const stays = persists(head) && persists(this.#request.head) && length.kind !== "untilClose";
    await this.#pass(head.bytes.length + ready);
    while (!body.complete) {
      if (reader.buffered.length === 0 && !await this.#moreOfAnswer()) {
        if (!this.#delimited) return "raw"; // which passes on the end
        if (length.kind === "untilClose") return await this.#end();
        throw new Broken("laptop", "the program ended within its answer");
      }
      let count: number;
      try {
        count = body.take(reader.buffered);
      } catch (error) {
        if (!(error instanceof HttpFormatError)) throw error;
        return this.#undelimited(error.message);
      }
      await this.#pass(count);
    }
    // A caller that was not told to continue may leave out the body, or send it: its next bytes can't be told apart.
    const expects = membersOf(this.#request.head.fields, "expect").includes("100-continue");
    const isCertain = stays && (continued || !expects || this.#body.complete);
    if (isCertain && await this.#finishUpload()) return "next";
    return this.#delimited ? await this.#end() : "raw";
  }

  /** Waits until all of the body was sent. False where that won't be, or the server ends or speaks before. */
  async #finishUpload(): Promise<boolean> {
    this.#answered = true;
    if (this.#isRaw || this.#upstream.reader.buffered.length > 0) return this.#sent;
    if (!this.#sent) {
      await Promise.race([this.#uploading, this.#upstream.reader.readAhead().catch(() => {})]);
      if (this.broken) throw this.broken;
    }
    return this.#sent;
  }

  /** Nothing more is answered on this connection. What the caller still sends is dropped: a reset could take the answer. */
  async #end(): Promise<After> {
    this.#handedOver = true;
    await this.#toCaller(this.#caller.closeWrite());
    closeQuietly(this.#upstream.transport);
    const timer = setTimeout(() => this.#caller.abort(), LINGER_MS);
    try {
      await this.#uploading;
      do this.#reader.skip(this.#reader.buffered.length); while (await this.#reader.more());
    } catch {
      // The caller is gone.
    } finally {
      clearTimeout(timer);
    }
    return "close";
  }

  #undelimited(why: string): After {
    if (this.#delimited) throw new Broken("laptop", why);
    return "raw";
  }

  /** The next head of the answer, still buffered; undefined when it isn't one, or can't be delimited. */
  async #responseHead(): Promise<ResponseHead | undefined> {
    const scan = new HeadScan();
    const { reader } = this.#upstream;
    for (;;) {
      const bytes = reader.buffered;
      if (!startsWithHttp(bytes)) return undefined;
      const end = scan.scan(bytes);
      if (end === "broken" || end === "more" && bytes.length > LONGEST_RESPONSE_HEAD) return undefined;
      if (typeof end === "number") {
        try {
          return parseResponseHead(bytes.subarray(0, end));
        } catch (error) {
          if (error instanceof HttpFormatError) return undefined;
          throw error;
        }
      }
      if (!await this.#moreOfAnswer()) return undefined;
    }
  }

  /** @throws {Broken} */
  async #moreOfAnswer(): Promise<boolean> {
    try {
      return await this.#upstream.reader.more();
    } catch (error) {
      throw this.broken ?? new Broken(this.#upstream.end, error);
    }
  }

  /** Passes so many buffered bytes of the answer on. @throws {Broken} */
  async #pass(count: number): Promise<void> {
    const { reader } = this.#upstream;
    if (count > 0) await this.#toCaller(writeAll(this.#caller, reader.buffered.subarray(0, count)));
    reader.skip(count);
  }

  async #toCaller(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      throw this.broken ?? new Broken("caller", error);
    }
  }

  /** Sends the rest of the body. A server may answer before it has all of it, and then not want the rest. */
  async #upload(): Promise<void> {
    const [reader, body] = [this.#reader, this.#body];
    while (this.#isRaw || !body.complete) {
      if (reader.buffered.length === 0) {
        let more: boolean;
        try {
          more = await reader.more();
        } catch (error) {
          return this.#break(error);
        }
        if (this.#handedOver) return;
        if (!more) return await this.#callerEnds();
      }
      let piece = reader.buffered;
      try {
        if (!this.#isRaw) piece = piece.subarray(0, body.take(piece));
      } catch (error) {
        if (this.#delimited) return this.#break(error);
        this.#isRaw = true;
        if (this.#answered) return;
      }
      try {
        await (this.#writing = writeAll(this.#upstream.transport, piece).then(() =>
          reader.skip(piece.length)
        ));
      } catch {
        return; // its answer may say why
      } finally {
        this.#writing = undefined;
      }
      if (this.#handedOver) return;
    }
    this.#sent = true;
    this.#watchCaller();
  }

  /** Notices a caller that goes before it has its answer. */
  #watchCaller(): void {
    const reader = this.#reader;
    if (reader.buffered.length > 0) return;
    reader.readAhead().then((more) => {
      if (!more && this.#upstream.busy && !this.#handedOver) return this.#callerEnds();
    }, (error) => {
      if (this.#upstream.busy && !this.#handedOver) this.#break(error);
    });
  }

  async #callerEnds(): Promise<void> {
    this.callerEnded = true;
    await this.#upstream.transport.closeWrite().catch(() => {});
  }

  #break(error: unknown): void {
    this.broken ??= new Broken("caller", error);
    this.#upstream.transport.abort(this.broken);
  }
}

/** @throws {Broken} */
async function write({ transport, end }: Upstream, bytes: Uint8Array): Promise<void> {
  try {
    await writeAll(transport, bytes);
  } catch (error) {
    throw new Broken(end, error);
  }
}

const HTTP = new TextEncoder().encode("HTTP/1.");

/** Whether bytes begin as a response does, as far as they have come. */
function startsWithHttp(bytes: Uint8Array): boolean {
  for (let at = 0; at < HTTP.length && at < bytes.length; at++) if (bytes[at] !== HTTP[at]) return false;
  return true;
}
