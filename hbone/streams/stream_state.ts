/** The state of a stream: its two halves, its headers, and how it ends. The engine drives it. */
import { ConnectRefused, ErrorCode, StreamError, StreamReset } from "../frames/errors.ts";
import { StreamWindow } from "./flow_control.ts";
import type { FrameWriter } from "../sending/frame_writer.ts";
import { checkResponse, checkTrailers, type Header, headerValue } from "../frames/header.ts";
import { Inbox, type InboxOwner } from "./inbox.ts";
import { Outbox } from "../sending/outbox.ts";
import type { BufferPool, Segment } from "../frames/pool.ts";
import type { SendQueue } from "../sending/send_queue.ts";

/** How a stream ended: "clean" if both ends sent END_STREAM, "broken" if its connection ended before. */
export type StreamEnd =
  | { readonly kind: "clean" }
  | { readonly kind: "reset"; readonly code: number; readonly by: "us" | "peer" }
  | { readonly kind: "broken"; readonly error: Error };

/** The connection, as its streams need it. */
export interface StreamHost {
  readonly role: "client" | "server";
  readonly queue: SendQueue;
  readonly pool: BufferPool;
  readonly writer: FrameWriter;
  /** The stream's reader consumed bytes; `increment` is to be announced, unless it is 0. */
  taken(stream: StreamState, bytes: number, increment: number): void;
  /** Both directions have ended. */
  over(stream: StreamState, resetByUs: boolean): void;
}

const CLEAN: StreamEnd = { kind: "clean" };

export class StreamState implements InboxOwner {
  readonly id: number;
  readonly request: readonly Header[];
  readonly closed: Promise<StreamEnd>;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly host: StreamHost;
  /** Whether the final response was sent or received. */
  answered = false;

  /** Whether the peer's request had END_STREAM with its headers: it has no content. */
  endedWithRequest = false;

  /** What the peer sent behind its content (RFC 9113 §8.1); there once its direction has ended. */
  trailers: readonly Header[] | undefined;
  /** Called with each response, the informational ones too, as it comes. `end`: nothing follows it. */
  onResponse: ((headers: readonly Header[], isFinal: boolean, end: boolean) => void) | undefined;

  /** Set when this end's CONNECT was answered with a status other than 2xx. */
  refused: ConnectRefused | undefined;

  #over = false;
  /** Bytes of the content-length that haven't arrived yet; -1 without a content-length. */
  #promised: number;
  /** The final response, or why there will be none. */
  #response: readonly Header[] | Error | undefined;
  /** Made when it is asked for: most streams of a server never are, and a quiet one should cost little. */
  #awaited: PromiseWithResolvers<readonly Header[]> | undefined;
  readonly #resolveClosed: (end: StreamEnd) => void;

  constructor(
    host: StreamHost,
    id: number,
    request: readonly Header[],
    windows: { receive: number; send: number },
    contentLength = -1,
  ) {
    this.host = host;
    this.id = id;
    this.request = request;
    this.#promised = contentLength;
    const closed = Promise.withResolvers<StreamEnd>();
    this.closed = closed.promise;
    this.#resolveClosed = closed.resolve;
    this.inbox = new Inbox(new StreamWindow(windows.receive), this);
    this.outbox = new Outbox(host.queue, id, windows.send, () => this.#oneEnded());
  }

  get response(): Promise<readonly Header[]> {
    if (this.#awaited === undefined) {
      this.#awaited = Promise.withResolvers();
      // Awaiting it is optional.
      this.#awaited.promise.catch(() => {});
      this.#settleResponse();
    }
    return this.#awaited.promise;
  }

  #responseIs(response: readonly Header[] | Error): void {
    this.#response ??= response;
    this.#settleResponse();
  }

  #settleResponse(): void {
    if (this.#response instanceof Error) this.#awaited?.reject(this.#response);
    else if (this.#response !== undefined) this.#awaited?.resolve(this.#response);
  }

  // Actions of the stream's user.

  respond(headers: readonly Header[], end: boolean): void {
    if (this.host.role === "client") throw new TypeError("only a server responds");
    if (this.answered) throw new TypeError("this stream was responded to before");
    // The peer reset it meanwhile: the next read or write reports that.
    if (this.#over) return;
    this.host.writer.headers(this.id, headers, end);
    this.answered = true;
    this.#responseIs(headers);
    if (end) this.outbox.endedWithHeaders();
  }

  /** Sends an informational response (RFC 9110 §15.2), which the final one follows. */
  inform(headers: readonly Header[]): void {
    if (!this.#over && !this.answered) this.host.writer.headers(this.id, headers, false);
  }

  /** Ends this end's direction with trailers. All that was written before must have gone to the queue. */
  endWithTrailers(trailers: readonly Header[]): void {
    if (this.#over || this.outbox.ending) return;
    this.host.writer.headers(this.id, trailers, true);
    this.outbox.endedWithHeaders();
  }

  write(bytes: Uint8Array): Promise<number> {
    if (!this.mayWrite) return Promise.reject(new TypeError("respond to the stream before you write to it"));
    return this.outbox.write(bytes);
  }

  get mayWrite(): boolean {
    return this.answered || this.host.role === "client" || this.outbox.error !== undefined;
  }

  closeWrite(): Promise<void> {
    if (!this.mayWrite) return Promise.reject(new TypeError("respond to the stream before you end it"));
    return this.outbox.end();
  }

  close(): void {
    if (this.#over) return this.#dropUnread();
    if (!this.outbox.empty || !this.mayWrite) return this.reset(ErrorCode.CANCEL);
    // It can't reject here, since the outbox is empty and didn't fail.
    this.outbox.end().catch(() => {});
    // The peer has everything from this end; it should only stop sending (RFC 9113 §8.1).
    if (!this.#over) this.reset(ErrorCode.NO_ERROR);
    else this.#dropUnread();
  }

  #dropUnread(): void {
    // Most streams are read to their end, and need no error: its stack trace costs more than the rest.
    if (this.inbox.buffered > 0) this.inbox.fail(new StreamReset(ErrorCode.CANCEL, "us"));
  }

  abort(reason?: Error): void {
    this.reset(this.host.role === "client" ? ErrorCode.CANCEL : ErrorCode.CONNECT_ERROR, reason);
  }

  reset(code: number, reason?: Error): void {
    const error = new StreamReset(code, "us", reason);
    if (this.#over) return this.inbox.fail(error);
    this.host.writer.reset(this.id, code);
    this.#break(error, { kind: "reset", code, by: "us" });
  }

  taken(bytes: number, increment: number): void {
    this.host.taken(this, bytes, this.#over ? 0 : increment);
  }

  // Actions of the peer.

  /** @throws StreamError when the message is malformed. */
  headersCame(headers: readonly Header[], end: boolean): void {
    if (this.inbox.ended) throw new StreamError(ErrorCode.STREAM_CLOSED, "HEADERS after END_STREAM");
    if (this.host.role === "client" && !this.answered) {
      const status = checkResponse(headers);
      if (status >= 200) {
        this.answered = true;
        if (status >= 300 && headerValue(this.request, ":method") === "CONNECT") {
          this.refused = new ConnectRefused(status, headers);
        }
        this.#responseIs(headers);
        this.onResponse?.(headers, true, end);
      } else if (!end) this.onResponse?.(headers, false, false);
      else throw new StreamError(ErrorCode.PROTOCOL_ERROR, `END_STREAM with status ${status}`);
    } else {
      if (this.#tunnels) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "HEADERS within a tunnel");
      if (!end) throw new StreamError(ErrorCode.PROTOCOL_ERROR, "trailers without END_STREAM");
      checkTrailers(headers);
      this.trailers = headers;
    }
    if (end) this.endCame();
  }

  /**
   * Whether the stream is a connected tunnel, on which only DATA, RST_STREAM, WINDOW_UPDATE and PRIORITY may arrive (RFC 9113 §8.5):
   * a TCP connection has no trailers, and they must not be taken for its end.
   */
  get #tunnels(): boolean {
    return this.refused === undefined && headerValue(this.request, ":method") === "CONNECT";
  }

  /** @throws StreamError when the bytes exceed the content-length, or come after the end. */
  dataCame(segment: Segment, start: number, end: number, copy: boolean): void {
    if (this.#promised >= 0) {
      this.#promised -= end - start;
      if (this.#promised < 0) {
        this.host.taken(this, end - start, 0);
        throw new StreamError(ErrorCode.PROTOCOL_ERROR, "more DATA than content-length said");
      }
    }
    if (end > start) this.inbox.deliver(segment, start, end, copy);
  }

  /** As {@linkcode endCame}, for an end that came with the request's headers. */
  endCameWithRequest(): void {
    this.endedWithRequest = true;
    this.endCame();
  }

  /** @throws StreamError when bytes of the content-length are missing. */
  endCame(): void {
    if (this.#promised > 0) {
      throw new StreamError(ErrorCode.PROTOCOL_ERROR, "less DATA than content-length said");
    }
    this.inbox.end();
    this.#oneEnded();
  }

  resetCame(code: number): void {
    this.#break(new StreamReset(code, "peer"), { kind: "reset", code, by: "peer" });
  }

  /** The connection has ended. */
  broke(error: Error): void {
    this.#break(error, { kind: "broken", error });
  }

  #oneEnded(): void {
    if (this.#over || !this.inbox.ended || !this.outbox.ended) return;
    this.#over = true;
    if (!this.answered) this.#responseIs(new StreamReset(ErrorCode.NO_ERROR, "us"));
    this.#resolveClosed(CLEAN);
    this.host.over(this, false);
  }

  #break(error: Error, end: StreamEnd): void {
    if (this.#over) return;
    this.#over = true;
    const byUs = end.kind === "reset" && end.by === "us";
    this.host.over(this, byUs);
    // What the peer sent up to its END_STREAM is complete. It stays readable if the connection ended, or if the peer only wants
    // no more of this end (NO_ERROR). Any other reset means that something broke.
    const whole = this.inbox.ended &&
      (end.kind === "broken" || (!byUs && end.kind === "reset" && end.code === ErrorCode.NO_ERROR));
    if (!whole) this.inbox.fail(error);
    this.outbox.fail(error);
    if (!this.answered) this.#responseIs(error);
    this.#resolveClosed(end);
  }
}
