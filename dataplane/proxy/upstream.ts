/** A connection to a target that carries one HTTP exchange after the other. */
import { ByteReader, EarlyEnd, writeAll } from "../../http/byte_reader.ts";
import { HttpFormatError } from "../../http/error.ts";
import { parseResponseHead, type ResponseHead } from "../../http/head.ts";
import type { MessageBody } from "../../http/message_body.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import type { CoarseTimer, CoarseTimers } from "./coarse_timers.ts";
import { type ProxyTarget, ProxyTargetError } from "./target.ts";

const LONGEST_RESPONSE_HEAD = 64 * 1024;

/** A target was reached and did not answer as it should. */
export class AnswerError extends ProxyTargetError {
  override name = "AnswerError";
}

/** Hears of a target that did not answer as it should, on a connection that an OpenTarget has opened. */
export type AnswerFailed = (error: AnswerError, connection: AbortableTransport) => void;

/** Where an idle connection is kept. */
interface Keeper {
  /** Closes it. */
  drop(upstream: Upstream): void;
}

export class Upstream {
  readonly transport: AbortableTransport;
  readonly reader: ByteReader;
  /** When it was kept last, as its timers count. */
  idleSince = 0;
  readonly #target: ProxyTarget;
  readonly #host: string;
  #receivedBefore = 0;
  #keeper: Keeper | undefined;
  #timer: CoarseTimer | undefined;

  constructor(transport: AbortableTransport, target: ProxyTarget) {
    this.transport = transport;
    this.reader = new ByteReader(transport);
    this.#target = target;
    this.#host = target.host.toLowerCase();
  }

  leadsTo({ host, port }: ProxyTarget): boolean {
    return port === this.#target.port && host.toLowerCase() === this.#host;
  }

  /** Is idle from now on, for `ms` milliseconds at most; `keeper` drops it then, or when its target ends it. */
  rest(timers: CoarseTimers, ms: number, keeper: Keeper): void {
    this.#keeper = keeper;
    this.idleSince = timers.now;
    this.#timer ??= timers.add(this.drop);
    this.#timer.start(ms);
    // An end, a break and bytes that no request asked for all mean that it can't be used again. The read is the next answer's as well.
    this.reader.readAhead().then(this.drop, this.drop);
  }

  /** Is no longer idle. */
  wake(): void {
    this.#keeper = undefined;
    this.#timer?.stop();
  }

  /** Closes it if it is idle. */
  readonly drop = (): void => this.#keeper?.drop(this);

  /** Whether nothing has come from the target since the last request was sent. */
  get silent(): boolean {
    return this.reader.received === this.#receivedBefore;
  }

  /** Sends a further request. @throws {AnswerError} */
  async send(request: Uint8Array): Promise<void> {
    this.#receivedBefore = this.reader.received;
    try {
      const sent = await this.transport.write(request);
      if (sent < request.length) await writeAll(this.transport, request.subarray(sent));
    } catch (cause) {
      throw this.ended("took the request", cause);
    }
  }

  /** Reads the next response's head. @throws {AnswerError} when there is none. */
  responseHead(): Promise<ResponseHead> {
    return this.reader.head(LONGEST_RESPONSE_HEAD).then(this.#parse, this.#failHead);
  }

  readonly #parse = (bytes: Uint8Array | undefined): ResponseHead => {
    if (!bytes) throw this.ended("took the request");
    try {
      return parseResponseHead(bytes);
    } catch (cause) {
      throw this.malformed(cause);
    }
  };

  readonly #failHead = (cause: unknown): never => {
    const begun = cause instanceof EarlyEnd && this.reader.buffered.length > 0;
    throw begun ? this.malformed(cause) : this.ended("took the request", cause);
  };

  /** Waits for more of a response that has begun. False at the target's end. @throws {AnswerError} */
  async more(): Promise<boolean> {
    try {
      return await this.reader.more();
    } catch (cause) {
      throw this.ended("began to answer", cause);
    }
  }

  /** How many of the bytes that have come are of the response's `body`. @throws {AnswerError} */
  belonging(body: MessageBody): number {
    try {
      return body.take(this.reader.buffered);
    } catch (cause) {
      throw this.malformed(cause);
    }
  }

  /** The target ended the connection too early. @param after what it had done before, as in "took the request" */
  ended(after: string, cause?: unknown): AnswerError {
    const { host, port } = this.#target;
    const message = `${host} port ${port} ${after} and ended the connection without a whole answer`;
    return new AnswerError("connection_terminated", message, { cause });
  }

  /** The target's answer is not HTTP/1.1, or could be read in two ways. */
  malformed(cause: unknown): AnswerError {
    const { host, port } = this.#target;
    const why = cause instanceof HttpFormatError || cause instanceof EarlyEnd ? `: ${cause.message}` : "";
    const message = `${host} port ${port} answers, but not in valid HTTP/1.1${why}`;
    return new AnswerError("http_protocol_error", message, { cause });
  }

  /** Ends the connection as after its last exchange. */
  close(): void {
    this.#timer?.[Symbol.dispose]();
    try {
      this.transport.close();
    } catch {
      // It broke before.
    }
  }

  /** The connection for another protocol: it carries no more exchanges. */
  handOver(): AbortableTransport {
    this.#timer?.[Symbol.dispose]();
    return this.transport;
  }

  /** Breaks the connection off: the target must not take what it has for a whole request. */
  abort(reason?: Error): void {
    this.transport.abort(reason);
    this.close();
  }
}
