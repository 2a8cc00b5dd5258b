/** Hot path: promises and objects for each message, none for each piece of a body. */
import { type BodyLength, responseBodyLength } from "../../http/body_length.ts";
import { type ByteReader, writeAll } from "../../http/byte_reader.ts";
import { HttpFormatError } from "../../http/error.ts";
import { membersOf } from "../../http/field_lines.ts";
import type { RequestHead, ResponseHead } from "../../http/head.ts";
import { MessageBody } from "../../http/message_body.ts";
import { persists } from "../../http/persistence.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Broken } from "./broken.ts";
import { responseHead } from "./response_head.ts";
import type { Upstream } from "./upstream.ts";

/** Milliseconds that a caller has to read the last answer, and may still send what nobody reads any more. */
const LINGER_MS = 5_000;

/** What follows an exchange. `raw`: all is the pod's to interpret; `relay`: both sides go on raw with the one that answered; `lost`: a request that may be repeated came when its server closed. */
export type After = "next" | "raw" | "relay" | "close" | "lost";

/** What matters of a request once it was sent. */
export interface SentRequest {
  readonly method: string;
  /** The connection persists after it, as far as the caller says. */
  readonly persists: boolean;
  /** It asks for another protocol. */
  readonly upgrades: boolean;
  /** Its body may wait until the server says so. */
  readonly expectsContinue: boolean;
}

/**
 * What matters of a request whose head was parsed.
 *
 * @param declined it was sent without the other protocol that it asks for
 */
export function sentRequest(head: RequestHead, declined: boolean): SentRequest {
  return {
    method: head.method,
    persists: persists(head),
    upgrades: !declined && membersOf(head.fields, "upgrade").length > 0,
    expectsContinue: membersOf(head.fields, "expect").includes("100-continue"),
  };
}

/** One request, whose first bytes were sent, and its answer. */
export class Exchange {
  readonly #caller: AbortableTransport;
  readonly #reader: ByteReader;
  readonly #request: SentRequest;
  readonly #body: MessageBody;
  readonly #upstream: Upstream;
  /** Whether both messages have to be delimited: they are a laptop's, and the next ones may be the pod's. */
  readonly #delimited: boolean;
  /** All of the request was sent, it may be sent again, and nothing of its answer has come. */
  #isRepeatable: boolean;
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
    request: SentRequest,
    body: MessageBody,
    upstream: Upstream,
    { delimited, isRepeatable }: { delimited: boolean; isRepeatable: boolean },
  ) {
    this.#caller = caller;
    this.#reader = reader;
    this.#delimited = delimited;
    this.#isRepeatable = isRepeatable;
    this.#request = request;
    this.#body = body;
    this.#upstream = upstream;
  }

  /** @throws {Broken} */
  async run(): Promise<After> {
    this.#uploading = this.#upload();
    let continued = false;
    for (;;) {
      const head = await responseHead(this.#upstream.reader, () => this.#moreOfHead());
      if (!head) return this.#noHead();
      this.#isRepeatable = false;
      const { status } = head;
      if (status === 101) {
        if (this.#delimited && !this.#request.upgrades) {
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
      try {
        return await this.#final(head, continued);
      } finally {
        this.#upstream.onBroken = undefined;
      }
    }
  }

  /** The laptop is lost within its answer: a caller that reads nothing of that is reset all the same. */
  #leaveCaller(): void {
    this.broken ??= new Broken("laptop", "the laptop was lost within its answer");
    this.#caller.abort(this.broken);
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
    this.#upstream.onBroken = () => {
      if (!body.complete) this.#leaveCaller();
    };
    // It lasts until the pod's connection ends: there is nothing left to decide.
    if (length.kind === "untilClose" && !this.#delimited) return "raw";
    const stays = persists(head) && this.#request.persists && length.kind !== "untilClose";
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
    const isCertain = stays && (continued || !this.#request.expectsContinue || this.#body.complete);
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

  #noHead(): After {
    if (this.#isRepeatable && this.#upstream.reader.buffered.length === 0) {
      this.#handedOver = true;
      return "lost";
    }
    return this.#undelimited("the program's answer is not HTTP/1.1");
  }

  /** @throws {Broken} */
  async #moreOfHead(): Promise<boolean> {
    try {
      return await this.#moreOfAnswer();
    } catch (error) {
      if (this.#isRepeatable && !this.broken && this.#upstream.reader.buffered.length === 0) return false;
      throw error;
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
