/** A connection to a target that carries one HTTP exchange after the other. */
import { ByteReader, EarlyEnd, writeAll } from "../../http/byte_reader.ts";
import { HttpFormatError } from "../../http/error.ts";
import { parseResponseHead, type ResponseHead } from "../../http/head.ts";
import type { MessageBody } from "../../http/message_body.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { ProxyTargetError, type Target } from "./target.ts";

const LONGEST_RESPONSE_HEAD = 64 * 1024;

/** A target was reached and did not answer as it should. */
export class AnswerError extends ProxyTargetError {
  override name = "AnswerError";
}

export class Upstream {
  readonly transport: AbortableTransport;
  readonly reader: ByteReader;
  readonly #target: Target;
  #receivedBefore = 0;

  constructor(transport: AbortableTransport, target: Target) {
    this.transport = transport;
    this.reader = new ByteReader(transport);
    this.#target = target;
  }

  /** Whether nothing has come from the target since the last request was sent. */
  get silent(): boolean {
    return this.reader.received === this.#receivedBefore;
  }

  /** Sends a further request. @throws {AnswerError} */
  async send(request: Uint8Array): Promise<void> {
    this.#receivedBefore = this.reader.received;
    try {
      await writeAll(this.transport, request);
    } catch (cause) {
      throw this.ended("took the request", cause);
    }
  }

  /** Reads the next response's head. @throws {AnswerError} when there is none. */
  async responseHead(): Promise<ResponseHead> {
    let bytes: Uint8Array | undefined;
    try {
      bytes = await this.reader.head(LONGEST_RESPONSE_HEAD);
    } catch (cause) {
      if (cause instanceof EarlyEnd && this.reader.buffered.length > 0) throw this.malformed(cause);
      throw this.ended("took the request", cause);
    }
    if (!bytes) throw this.ended("took the request");
    try {
      return parseResponseHead(bytes);
    } catch (cause) {
      throw this.malformed(cause);
    }
  }

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
    try {
      this.transport.close();
    } catch {
      // It broke before.
    }
  }

  /** Breaks the connection off: the target must not take what it has for a whole request. */
  abort(reason?: Error): void {
    this.transport.abort(reason);
    this.close();
  }
}
