/**
 * Carries one caller's HTTP/2 connection without TLS to the pod (or the whole-service rule's laptop, which stands for it) as it is, and
 * follows it: each side gets the other's own bytes, and its own errors, settings, windows and limits. A stream that somebody else
 * answers is withheld from the pod. Its frames are those of a second connection, which ends here and has no socket
 * (StreamServers), and what answers it comes between the pod's frames.
 *
 * Hot path: while nothing is withheld, a read and a write for each piece that comes, as without pmz.
 */
import { settlesWithin } from "../../async/timeout.ts";
import {
  AnswerFollower,
  type AnswerHost,
  Connection,
  ConnectionError,
  ErrorCode,
  FollowedState,
  goAway,
  type Header,
  joined,
  RequestFollower,
  type RequestHost,
  SIDE_WINDOW,
  type SideHost,
  SideTransport,
  windowSettings,
} from "../../hbone/mod.ts";
import { type ByteReader, writeAll } from "../../http/byte_reader.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Http2Request } from "../routing/http2_request.ts";
import type { RoutedRule } from "../routing/router.ts";
import { Broken } from "./broken.ts";
import { CallerOutlet } from "./caller_outlet.ts";
import { PREFACE } from "./http2_preface.ts";
import { MESSAGE_LIMITS } from "./http2_server.ts";
import { CALLER_LIMITS } from "./http2_session.ts";
import { StreamServers } from "./stream_servers.ts";
import type { Upstream } from "./upstream.ts";
import type { CarriedOutcome, InterceptedConnection, Upstreams } from "./upstreams.ts";

/** Bytes of the largest frame of a withheld stream: its DATA is read in pieces, and all else is limited before. */
const LARGEST_FRAME = 16_777_215;
/** Bytes of a read after which another one is likely to follow at once. */
const MUCH = 2 * 1024;
/** Streams of which it's decided who takes them, before their own connection has them; beyond it the oldest are refused. */
const MOST_DECIDED = 16_384;
/**
 * Streams beyond the limit are refused by their own connection, which isn't a reason to end it soon; and a caller that doesn't read
 * for long gets that connection's SETTINGS as late.
 */
const SIDE_LIMITS = {
  window: SIDE_WINDOW,
  streamErrors: 20_000,
  streamErrorsPerSecond: 1_000,
  settingsAckMs: 2_147_483_647,
};
/** Bytes of frames that wait for the end of one that the pod has begun. */
const MOST_WAITING = 24 * 1024 * 1024;
/** Milliseconds for the last frame to be written, and for the caller to close its side. */
const LINGER_MS = 500;

export class FollowedConnection implements RequestHost, AnswerHost, SideHost {
  readonly #caller: AbortableTransport;
  readonly #reader: ByteReader;
  readonly #connection: InterceptedConnection;
  readonly #upstreams: Upstreams;
  readonly #others: Upstream;
  readonly #state = new FollowedState();
  readonly #requests: RequestFollower;
  readonly #answers: AnswerFollower;
  readonly #outlet: CallerOutlet;
  /** The connection of withheld streams, once there is one. */
  #side: { readonly transport: SideTransport; readonly connection: Connection } | undefined;
  #servers: StreamServers | undefined;
  /** Which rule takes a withheld stream; undefined: it's for the others, who aren't the pod any more. */
  readonly #decided = new Map<number, RoutedRule | undefined>();
  /** What the pod has sent is on its way to the caller. */
  #isPassing = false;
  #callerEnded = false;
  /** Nothing more can be sent to the pod; nothing more comes of it. */
  #cannotSend = false;
  #othersEnded = false;
  #isViolated = false;
  #isOver = false;
  #broken: Broken | undefined;
  #waiting: (() => void)[] = [];

  /**
   * @param reader of the caller, behind the preface
   * @param others has got the preface
   */
  constructor(
    caller: AbortableTransport,
    reader: ByteReader,
    connection: InterceptedConnection,
    upstreams: Upstreams,
    others: Upstream,
  ) {
    this.#caller = caller;
    this.#reader = reader;
    this.#connection = connection;
    this.#upstreams = upstreams;
    this.#others = others;
    this.#requests = new RequestFollower(this.#state, this);
    this.#answers = new AnswerFollower(this.#state, this);
    this.#outlet = new CallerOutlet(caller, (error) => this.#fail(new Broken("caller", error)));
    this.#state.withheld.onIdle = () => this.#wake();
  }

  /** Carries it to its end; never rejects. */
  async run(): Promise<CarriedOutcome> {
    await Promise.all([
      this.#carryRequests().catch((error) => this.#stop(error, "caller")),
      this.#carryAnswers().catch((error) => this.#stop(error, this.#others.end)),
    ]);
    this.#isOver = true;
    this.#outlet.close();
    this.#wake();
    this.#side?.connection.abort();
    await Promise.all([this.#servers?.end(), this.#side?.connection.closed]);
    closeQuietly(this.#caller);
    closeQuietly(this.#others.transport);
    return this.#outcome();
  }

  #outcome(): CarriedOutcome {
    const isLaptops = this.#others.end === "laptop" || this.#servers?.wentToLaptop === true;
    const kind = isLaptops ? "laptop" : "pod";
    if (this.#broken) return { kind, by: this.#broken.by, details: this.#broken.message };
    const details = this.#servers?.details;
    return { kind, ...details !== undefined && { details } };
  }

  // From the caller

  async #carryRequests(): Promise<void> {
    const reader = this.#reader;
    const reads = new Reads(reader);
    do {
      if (reader.available === 0) continue;
      const taken = this.#taken(reader);
      if (this.#state.isMixed) this.#outlet.flush();
      if (this.#requests.parts.length > 0) await this.#toOthers(joined(this.#requests.parts));
      this.#requests.parts.length = 0;
      reader.skip(taken);
    } while (await reads.more() && !this.#isOver);
    if (this.#isOver) return;
    this.#callerEnded = true;
    this.#side?.transport.end();
    this.#wake();
    if (this.#isViolated) return;
    // What can't be told to be a frame is the pod's as well.
    if (!this.#state.isMixed && reader.available > 0) await this.#toOthers(reader.buffered);
    if (!this.#cannotSend) await this.#others.transport.closeWrite().catch(() => {});
  }

  /** After a violation everything is read and dropped: nothing may follow what is missing. */
  #taken(reader: ByteReader): number {
    if (!this.#isViolated) {
      try {
        return this.#requests.take(reader.buffered);
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        this.#violate(error);
      }
    }
    this.#requests.parts.length = 0;
    return reader.available;
  }

  /** Sends to the pod. A pod that takes nothing more may still have something to say. */
  async #toOthers(bytes: Uint8Array): Promise<void> {
    if (!this.#cannotSend) {
      try {
        return await writeAll(this.#others.transport, bytes);
      } catch {
        this.#cannotSend = true;
      }
    }
    if (this.#othersEnded && this.#isAlone) throw new Broken(this.#others.end, "it takes nothing more");
  }

  /** Whether nothing is answered by somebody else. */
  get #isAlone(): boolean {
    return this.#state.withheld.open.size === 0;
  }

  // From the pod

  async #carryAnswers(): Promise<void> {
    const { reader } = this.#others;
    const reads = new Reads(reader);
    const answers = this.#answers;
    try {
      do {
        while (reader.available > 0) {
          this.#isPassing = true;
          const taken = answers.take(reader.buffered);
          const wasFull = answers.isFull;
          if (answers.parts.length > 0) await this.#pass();
          answers.parts.length = 0;
          this.#isPassing = false;
          reader.skip(taken);
          if (this.#state.isMixed) this.#release();
          if (!wasFull || this.#isOver) break;
          if (!answers.isFull) continue;
          if (this.#callerEnded) throw new Broken("caller", "it takes nothing more");
          await this.#changed();
        }
      } while (await reads.more() && !this.#isOver);
    } catch (error) {
      if (error instanceof Broken || error instanceof ConnectionError || this.#isOver) throw error;
      return await this.#othersEnd(new Broken(this.#others.end, error));
    }
    await this.#othersEnd();
  }

  async #pass(): Promise<void> {
    const { parts, boundary, isWithinFrame } = this.#answers;
    try {
      await this.#outlet.pass(parts, boundary, isWithinFrame);
    } catch (error) {
      throw new Broken("caller", error);
    }
  }

  /** The pod has ended, or broken. As without pmz the caller loses its connection, unless somebody else still answers it. */
  async #othersEnd(error?: Broken): Promise<void> {
    this.#othersEnded = true;
    const hasCaller = () => !this.#isOver && !this.#callerEnded;
    if (error === undefined) { while (!this.#answers.hasAllOfServer && hasCaller()) await this.#changed(); }
    if (!this.#isAlone && !this.#answers.isWithinFrame && hasCaller()) {
      this.#cannotSend = true;
      this.#others.transport.closeWrite().catch(() => {});
      this.#answers.serverGone();
      this.#outlet.flush();
      while (!this.#isAlone && hasCaller()) await this.#changed();
    } else if (error !== undefined || this.#state.isMixed && this.#answers.isWithinFrame) {
      throw error ?? new Broken(this.#others.end, "it ended within a frame");
    } else if (!this.#state.isMixed && this.#others.reader.available > 0) {
      await writeAll(this.#caller, this.#others.reader.buffered).catch(() => {});
    }
    await this.#outlet.drained();
    if (!this.#isOver) await this.#caller.closeWrite().catch(() => {});
  }

  // Of streams that are withheld

  withholds(stream: number, headers: readonly Header[], size: number): boolean {
    if (this.#othersEnded && this.#isAlone) return false;
    if (size > MESSAGE_LIMITS.headerList || headers.length > MESSAGE_LIMITS.headerCount) return false;
    const upstreams = this.#upstreams;
    const request = Http2Request.of(headers);
    let rule = request && upstreams.router().byRequest(request, this.#connection.caller.address);
    if (rule && upstreams.tunnels.of(rule.uid).length === 0) {
      rule.counts.declined++;
      rule = undefined;
    }
    if (!rule && this.#isOfOthers()) return false;
    this.#decide(stream, rule);
    return true;
  }

  #decide(stream: number, rule: RoutedRule | undefined): void {
    this.#decided.set(stream, rule);
    for (const oldest of this.#decided.keys()) {
      if (this.#decided.size <= MOST_DECIDED) break;
      this.#decided.delete(oldest);
    }
  }

  /** Whether what no personal rule takes still goes where this connection leads. */
  #isOfOthers(): boolean {
    const uid = this.#upstreams.whole();
    const tunnel = uid === undefined ? undefined : this.#upstreams.tunnels.of(uid)[0];
    return this.#others.rule === (tunnel && uid) && this.#others.tunnel === tunnel;
  }

  opened(stream: number): void {
    this.#side ??= this.#begin();
    this.#answers.withhold(stream);
  }

  #begin() {
    const { buffers } = this.#upstreams;
    const servers = this.#servers = new StreamServers(this.#connection, this.#upstreams);
    const transport = new SideTransport(this);
    transport.feed(PREFACE);
    transport.feed(windowSettings(this.#state.caller.initialWindowSize));
    const connection = new Connection(transport, {
      role: "server",
      // A caller's windows are the pod's, so they don't grow beyond that.
      limits: { ...CALLER_LIMITS, ...SIDE_LIMITS },
      settings: {
        initialWindowSize: SIDE_WINDOW,
        maxFrameSize: LARGEST_FRAME,
        enableConnectProtocol: this.#state.server.enableConnectProtocol,
      },
      // The caller has one table, which is the pod's.
      encoder: { secret: new Set(), index: "never", huffman: false },
      enforcesWindows: false,
      pool: buffers,
      onStream: (stream) => {
        const isDecided = this.#decided.has(stream.id);
        const rule = this.#decided.get(stream.id);
        // Those before it were refused: streams come in their order.
        for (const id of this.#decided.keys()) {
          if (id > stream.id) break;
          this.#decided.delete(id);
        }
        if (isDecided) servers.take(stream, rule);
        else stream.reset(ErrorCode.REFUSED_STREAM);
      },
    });
    return { transport, connection };
  }

  toSide(bytes: Uint8Array, isWithinFrame: boolean): void {
    this.#side?.transport.feed(bytes, isWithinFrame);
  }

  tellSide(frames: Uint8Array): void {
    this.#side?.transport.tell(frames);
  }

  async fromSide(frames: Uint8Array): Promise<void> {
    this.#answers.fromSide(frames);
    this.#outlet.flush();
    await this.#outlet.drained();
    while (this.#answers.isSideFull && !this.#isOver) await this.#changed();
  }

  sideBroke(code: number, debug: string): void {
    this.#violate(new ConnectionError(code as ErrorCode, debug));
  }

  sideClosed(): void {
    if (this.#isOver || this.#callerEnded) return;
    this.#violate(new ConnectionError(ErrorCode.INTERNAL_ERROR, "what answers other streams has ended"));
  }

  toCaller(frames: Uint8Array): void {
    this.#outlet.add(frames);
    if (this.#outlet.waiting <= MOST_WAITING) return;
    this.#violate(
      new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too much to tell a caller that doesn't read"),
    );
  }

  took(bytes: number): void {
    this.#outlet.credit(bytes);
  }

  credited(): void {
    // What has passed already has to be written first.
    if (!this.#isPassing) this.#release();
    this.#wake();
  }

  #release(): void {
    this.#answers.release();
    this.#outlet.flush();
  }

  // The end

  #stop(error: unknown, by: "caller" | "laptop" | "pod"): void {
    if (error instanceof ConnectionError) this.#violate(error);
    else this.#fail(error instanceof Broken ? error : new Broken(by, error));
  }

  /** One of the ends does what can't be followed: the caller is told why its connection ends. */
  #violate(error: ConnectionError): void {
    if (this.#isViolated || this.#isOver) return;
    this.#isViolated = true;
    this.#outlet.add(goAway(this.#state.lastStream, error.code, error.message));
    this.#outlet.flush();
    settlesWithin(this.#sayGoodbye(), LINGER_MS).then(() => this.#fail(new Broken("caller", error)));
  }

  /** Waits until the caller has what it was told, and has read to its end: a reset would overtake that. */
  async #sayGoodbye(): Promise<void> {
    try {
      await this.#outlet.drained();
      await this.#caller.closeWrite();
      while (!this.#callerEnded && !this.#isOver) await this.#changed();
    } catch {
      // It has gone.
    }
  }

  #fail(error: Broken): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#broken = error;
    this.#outlet.close();
    this.#caller.abort(error);
    this.#others.transport.abort(error);
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** A read that may wait for long pins what it reads into: it is a small one, unless much has come before. */
class Reads {
  readonly #reader: ByteReader;
  #received = 0;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  more(): Promise<boolean> {
    const reader = this.#reader;
    const isMuch = reader.received - this.#received >= MUCH;
    this.#received = reader.received;
    return isMuch ? reader.more() : reader.readAhead();
  }
}
