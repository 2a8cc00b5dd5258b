/**
 * One request in absolute form and its response. The request goes over a connection that an earlier one of this client left idle, or
 * over a new one; whether either connection stays for another exchange is decided when the response's head has come.
 *
 * Hot path: heads are put together in buffers of the client's, bodies go on from the buffers that they were read into.
 */
import { type ByteReader, writeAll } from "../../http/byte_reader.ts";
import {
  type BodyLength,
  requestBodyLength,
  responseBodyLength,
  untilClose,
} from "../../http/body_length.ts";
import { HttpFormatError } from "../../http/error.ts";
import { idempotent } from "../../http/idempotent.ts";
import { membersOf } from "../../http/field_lines.ts";
import type { RequestHead, ResponseHead } from "../../http/head.ts";
import type { HeadWriter } from "../../http/head_writer.ts";
import { MessageBody } from "../../http/message_body.ts";
import { keepAliveSeconds, persists } from "../../http/persistence.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { connectionLine, writeRequestHead, writeResponseHead, writeSwitchingHead } from "./forwarded_head.ts";
import { targetAnswer } from "./http_answer.ts";
import type { ProxyRequest } from "./http_request.ts";
import type { ClientConnections } from "./idle_connections.ts";
import { asTargetError, type OpenTarget, ProxyTargetError } from "./target.ts";
import { AnswerError, type AnswerFailed, Upstream } from "./upstream.ts";

/** Interim responses (1xx) that a target may send before its real one. */
const MOST_INTERIM = 16;
/** Bytes of a body up to which copying them behind the head beats a write of their own. */
const COPIED = 16 * 1024;

type Writer = { write(bytes: Uint8Array): Promise<number> };

/** A client's connection and what belongs to it. */
export interface Client {
  readonly reader: ByteReader;
  readonly writer: Writer;
  /** For the message that goes to the target, and for the one that goes to the client. */
  readonly request: HeadWriter;
  readonly response: HeadWriter;
  readonly connections: ClientConnections;
  /** The connection that the exchange under way uses, or the last one's. */
  upstream: Upstream | undefined;
  readonly open: OpenTarget;
  readonly signal: AbortSignal;
  /** A target did not answer as it should, though its connection may look sound. Called before that is closed. */
  readonly answerFailed: AnswerFailed;
}

export type ForwardedRequest = Extract<ProxyRequest, { kind: "forward" }>;

/** What an exchange leaves: a connection for the client's next request, none, or one that both sides use for another protocol. */
export type After = { readonly kind: "next" | "close" } | {
  readonly kind: "switched";
  readonly transport: AbortableTransport;
};

const next: After = { kind: "next" };
const close: After = { kind: "close" };

/** A response broke off: the client must not take what it has for all of it. */
export class ResponseBroken extends Error {
  override name = "ResponseBroken";
}

/**
 * Forwards a request and its response.
 *
 * @param head its bytes need not be good any longer than until the client is read from again
 * @throws {HttpFormatError} when the request can't be delimited and no response has begun; {ResponseBroken}; what reading and writing
 * throw when the client is gone.
 */
export function forward(head: RequestHead, request: ForwardedRequest, client: Client): Promise<After> {
  return new Exchange(head, request, client).run();
}

class Exchange {
  readonly #client: Client;
  readonly #request: ForwardedRequest;
  readonly #method: string;
  readonly #minor: 0 | 1;
  readonly #body: MessageBody;
  readonly #upgrades: boolean;
  /** Whether the client's connection is to persist. */
  readonly #persists: boolean;
  readonly #repeatable: boolean;
  /** Whether the whole request was sent. */
  #sent: boolean;
  /** What sends the rest of it; never rejects. */
  #upload: Promise<void> | undefined;
  /** Why the client's side of the exchange broke. */
  #broken: Error | undefined;
  /** Whether the target closed a connection that it had kept, instead of answering. */
  #swallowed = false;

  /** @throws {HttpFormatError} */
  constructor(head: RequestHead, request: ForwardedRequest, client: Client) {
    const { reader } = client;
    this.#client = client;
    this.#request = request;
    this.#method = head.method;
    this.#minor = head.minor;
    this.#body = new MessageBody(requestBodyLength(head));
    this.#upgrades = this.#body.complete && asksForUpgrade(head);
    this.#persists = persists(head, "proxy-connection");
    writeRequestHead(client.request, head, {
      path: request.path,
      authority: request.authority,
      stays: this.#persists && head.minor === 1,
      upgrades: this.#upgrades,
    });
    // What has come of the body goes with the head.
    const ready = this.#body.take(reader.buffered);
    if (ready > 0) client.request.bytes(reader.buffered.subarray(0, ready));
    reader.skip(ready);
    this.#sent = this.#body.complete;
    this.#repeatable = this.#sent && idempotent.has(head.method);
  }

  async run(): Promise<After> {
    let answered: Answered;
    try {
      answered = await this.#ask();
    } catch (error) {
      if (this.#broken) throw this.#broken;
      if (!(error instanceof ProxyTargetError)) throw error;
      // As without a proxy: a kept connection closes, and the client decides whether it sends its request again.
      if (this.#swallowed) return close;
      const stays = this.#persists && this.#sent;
      const withoutBody = this.#method === "HEAD";
      await writeAll(this.#client.writer, targetAnswer(error, { stays, minor: this.#minor, withoutBody }));
      return stays ? next : close;
    }
    try {
      return await this.#respond(answered);
    } catch (cause) {
      this.#fail(answered.upstream, cause);
      // Where the response said how long it is, the client sees for itself that it has not all of it.
      if (cause instanceof AnswerError && answered.body.length.kind !== "untilClose") return close;
      throw new ResponseBroken(`the response of ${this.#request.authority} broke off`, { cause });
    }
  }

  /** Sends the request until the final response's head has come. @throws {ProxyTargetError} */
  async #ask(): Promise<Answered> {
    const { connections } = this.#client;
    const kept = connections.take(this.#request.target, this.#repeatable);
    if (kept) {
      try {
        await kept.send(this.#client.request.written);
        return await this.#answerOf(kept);
      } catch (error) {
        const isUnanswered = !this.#broken && kept.silent;
        // RFC 9112 §9.3.1: the target may have closed it while it was idle. A proxy must not send again what isn't idempotent
        // (RFC 9110 §9.2.2), nor a body of which it has no copy.
        this.#swallowed = isUnanswered && !this.#repeatable;
        if (!isUnanswered || this.#swallowed) {
          this.#fail(kept, error);
          throw error;
        }
        this.#leave(kept, error);
      }
    }
    const opened = await this.#open();
    try {
      return await this.#answerOf(opened);
    } catch (error) {
      this.#fail(opened, error);
      throw error;
    }
  }

  /** Ends a connection on which the exchange failed. */
  #fail(upstream: Upstream, why: unknown): void {
    if (why instanceof AnswerError && !this.#broken) this.#client.answerFailed(why, upstream.transport);
    this.#leave(upstream, why);
  }

  /** Ends a connection that is of no more use. It breaks off, unless the target has a whole request and failed by itself. */
  #leave(upstream: Upstream, why: unknown): void {
    if (this.#sent && why instanceof AnswerError) upstream.close();
    else upstream.abort();
  }

  /** Opens a connection with the request as its first bytes. @throws {ProxyTargetError} */
  async #open(): Promise<Upstream> {
    const { open, signal, request } = this.#client;
    const { target } = this.#request;
    try {
      return new Upstream(await open(target, request.written, signal), target);
    } catch (cause) {
      throw asTargetError(cause, target);
    }
  }

  /** The final response's head; interim ones are passed on (a client may wait for 100 Continue). @throws {ProxyTargetError} */
  async #answerOf(upstream: Upstream): Promise<Answered> {
    this.#client.upstream = upstream;
    this.#watchClient(upstream);
    const { response, writer } = this.#client;
    for (let interim = 0; interim < MOST_INTERIM; interim++) {
      const head = await upstream.responseHead();
      if (head.status === 101) {
        if (this.#upgrades) return { upstream, head, body: new MessageBody(untilClose), ready: 0 };
        throw upstream.malformed(
          new HttpFormatError("it switches to a protocol that the client did not ask for"),
        );
      }
      if (head.status >= 200) {
        const body = new MessageBody(this.#lengthOf(head, upstream));
        return { upstream, head, body, ready: upstream.belonging(body) };
      }
      if (this.#minor === 0) continue;
      writeResponseHead(response, head, "");
      await writeAll(writer, response.written);
    }
    throw upstream.malformed(new HttpFormatError(`it sent ${MOST_INTERIM} interim responses`));
  }

  #lengthOf(head: ResponseHead, upstream: Upstream): BodyLength {
    try {
      const length = responseBodyLength(head, this.#method);
      if (length.kind !== "chunked" || this.#minor === 1) return length;
      throw new HttpFormatError("it sends chunks to an HTTP/1.0 client");
    } catch (cause) {
      throw upstream.malformed(cause);
    }
  }

  /** Uploads what is left of the request; else reads ahead, to notice a client that goes before it has its response. */
  #watchClient(upstream: Upstream): void {
    const { reader } = this.#client;
    if (!this.#sent) this.#upload = this.#sendRest(upstream);
    else if (!this.#upgrades && reader.buffered.length === 0) {
      reader.readAhead().catch((error) => this.#break(error, upstream));
    }
  }

  /** Never rejects. The target may answer before it has the whole body, and then not want the rest. */
  async #sendRest(upstream: Upstream): Promise<void> {
    const { reader } = this.#client;
    while (!this.#body.complete) {
      let piece: Uint8Array;
      try {
        if (reader.buffered.length === 0 && !await reader.more()) {
          throw new Error("the client ended within its request");
        }
        piece = reader.buffered.subarray(0, this.#body.take(reader.buffered));
      } catch (error) {
        return this.#break(error instanceof Error ? error : new Error(String(error)), upstream);
      }
      try {
        await writeAll(upstream.transport, piece);
      } catch {
        return; // It may have said why.
      }
      reader.skip(piece.length);
    }
    this.#sent = true;
  }

  /** The end of the last write and the answer to it may come within one turn of the event loop, in either order. */
  async #settleUpload(): Promise<void> {
    if (!this.#body.complete) return;
    const turn = Promise.withResolvers<void>();
    const timer = setTimeout(turn.resolve);
    await Promise.race([this.#upload, turn.promise]);
    clearTimeout(timer);
  }

  #break(error: Error, upstream: Upstream): void {
    this.#broken = error;
    upstream.abort(error);
  }

  async #respond({ upstream, head, body, ready }: Answered): Promise<After> {
    if (head.status === 101) return await this.#switch(upstream, head);
    const { response, writer, connections } = this.#client;
    const { reader } = upstream;
    if (!this.#sent) await this.#settleUpload();
    // A request that is still under way can't be told from the next one.
    const stays = this.#persists && this.#sent && body.length.kind !== "untilClose";
    const reusable = stays && this.#minor === 1 && persists(head);
    const seconds = reusable ? keepAliveSeconds(head) : undefined;
    writeResponseHead(response, head, connectionLine(stays, this.#minor));
    if (ready <= COPIED) {
      if (ready > 0) response.bytes(reader.buffered.subarray(0, ready));
      reader.skip(ready);
      const message = response.written;
      const sent = await writer.write(message);
      if (sent < message.length) await writeAll(writer, message.subarray(sent));
    } else {
      await writeAll(writer, response.written);
      await this.#pass(reader, ready);
    }
    while (!body.complete) {
      if (!await upstream.more()) {
        if (body.length.kind === "untilClose") break;
        throw upstream.ended("began to answer");
      }
      await this.#pass(reader, upstream.belonging(body));
    }
    if (reusable) connections.keep(upstream, seconds);
    else if (this.#sent) upstream.close();
    else upstream.abort();
    return stays ? next : close;
  }

  async #pass(reader: ByteReader, count: number): Promise<void> {
    await writeAll(this.#client.writer, reader.buffered.subarray(0, count));
    reader.skip(count);
  }

  /** Passes on what either side has sent already; from there on the bytes are another protocol's. */
  async #switch(upstream: Upstream, head: ResponseHead): Promise<After> {
    const { response, reader, writer } = this.#client;
    writeSwitchingHead(response, head);
    response.bytes(upstream.reader.take(upstream.reader.buffered.length));
    await writeAll(writer, response.written);
    await writeAll(upstream.transport, reader.take(reader.buffered.length));
    return { kind: "switched", transport: upstream.handOver() };
  }
}

interface Answered {
  readonly upstream: Upstream;
  readonly head: ResponseHead;
  readonly body: MessageBody;
  /** Bytes of the body that have come with the head. */
  readonly ready: number;
}

/**
 * Whether a request without a body asks for another protocol (RFC 9110 §7.8). HTTP/2 is left out: a client that would speak it so
 * (RFC 7540 §3.2, since withdrawn) needs fields that are for one hop only.
 */
function asksForUpgrade({ fields, minor }: RequestHead): boolean {
  if (minor === 0 || !membersOf(fields, "connection").includes("upgrade")) return false;
  const protocols = membersOf(fields, "upgrade");
  return protocols.length > 0 && !protocols.includes("h2c");
}
