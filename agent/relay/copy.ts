/**
 * A copy of what a pod is sent, on its way to a laptop whose program's answers are thrown away. Nothing waits for it: a copy
 * that its laptop doesn't take in time is dropped.
 */
import { responseBodyLength } from "../../http/body_length.ts";
import { ByteReader } from "../../http/byte_reader.ts";
import { MessageBody } from "../../http/message_body.ts";
import { headerValue, type Stream } from "../../hbone/mod.ts";
import type { Counts } from "../routing/router.ts";
import type { CopyOwner, MirrorLimits } from "./mirror_limits.ts";
import { responseHead } from "./response_head.ts";

/** Bytes of one copy that wait to be sent. */
const MOST_WAITING = 256 * 1024;
/** Bytes up to which pieces that wait become one: an array for each would cost some hundred bytes. */
const TOGETHER = 4 * 1024;
/** Milliseconds that a laptop's program has to answer a request, from its last byte on. */
const ANSWER_MS = 30_000;

/** What a copy is of: a request with this method, or all that a connection sends. */
export type Copied = { readonly method: string } | "connection";

/** What a copy needs of its stream to the laptop. */
export type CopyStream = Pick<Stream, "response" | "read" | "write" | "closeWrite" | "close" | "abort">;

/** Where a copy goes. */
export interface CopyTarget {
  readonly owner: CopyOwner;
  readonly counts: Counts;
  /** A stream to the laptop; undefined where none can be had. */
  open(): CopyStream | undefined;
}

export class Copy {
  readonly #of: Copied;
  readonly #target: CopyTarget;
  readonly #limits: MirrorLimits;
  readonly #stream: CopyStream;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #ended = false;
  /** Nothing was added yet. */
  isEmpty = true;
  #over = false;
  #wake = Promise.withResolvers<void>();

  private constructor(of: Copied, target: CopyTarget, limits: MirrorLimits, stream: CopyStream) {
    this.#of = of;
    this.#target = target;
    this.#limits = limits;
    this.#stream = stream;
  }

  /** Begins a copy; counts it as dropped where it can't be had. */
  static begin(of: Copied, target: CopyTarget, limits: MirrorLimits): Copy | undefined {
    if (limits.enter(target.owner)) {
      const stream = target.open();
      if (stream) {
        const copy = new Copy(of, target, limits, stream);
        void copy.#run();
        return copy;
      }
      limits.leave(target.owner);
    }
    target.counts.declined++;
    return undefined;
  }

  /** Adds bytes that the pod was sent; they may be reused at once. */
  add(bytes: Uint8Array): void {
    if (this.#over || bytes.length === 0) return;
    this.isEmpty = false;
    if (
      this.#waitingBytes + bytes.length > MOST_WAITING || !this.#limits.take(this.#target.owner, bytes.length)
    ) {
      return this.#drop();
    }
    this.#wait(bytes);
    this.#waitingBytes += bytes.length;
    this.#wake.resolve();
  }

  #wait(bytes: Uint8Array): void {
    const last = this.#waiting.at(-1);
    if (last === undefined || last.length + bytes.length > TOGETHER) {
      this.#waiting.push(bytes.slice());
      return;
    }
    const both = new Uint8Array(last.length + bytes.length);
    both.set(last);
    both.set(bytes, last.length);
    this.#waiting[this.#waiting.length - 1] = both;
  }

  /** Nothing more is sent to the pod. */
  end(): void {
    if (this.isEmpty && this.#of !== "connection") return this.abort(); // it broke before the pod was sent anything
    this.#ended = true;
    this.#wake.resolve();
  }

  /** What the pod was sent broke off. */
  abort(): void {
    if (!this.#over) this.#finish("dropped");
  }

  async #run(): Promise<void> {
    const answered = this.#discardAnswer();
    try {
      const accepted = this.#stream.response.then((response) => {
        if (headerValue(response, ":status") !== "200") throw new Error("the laptop declines the copy");
      });
      accepted.catch(() => this.#drop());
      await this.#send();
      await accepted;
      if (this.#of === "connection") await this.#stream.closeWrite();
      const timer = setTimeout(() => this.#finish("sent"), ANSWER_MS);
      await answered.finally(() => clearTimeout(timer));
      this.#finish("sent");
    } catch {
      this.#drop(); // the laptop is gone, or declines
    }
  }

  /** Sends what waits, until the end. */
  async #send(): Promise<void> {
    while (!this.#over) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) {
        if (this.#ended) return;
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
        continue;
      }
      for (let at = 0; at < bytes.length && !this.#over;) at += await this.#stream.write(bytes.subarray(at));
      this.#given(bytes.length);
    }
  }

  /** Reads an answer to its end: of a connection's copy, all that comes. Never rejects. */
  async #discardAnswer(): Promise<void> {
    try {
      if (this.#of === "connection") {
        const sink = new Uint8Array(4096);
        while (await this.#stream.read(sink) !== null);
      } else await discardResponse(new ByteReader(this.#stream), this.#of.method);
    } catch {
      // Whatever it answers is of no interest; what is sent to it fails if it is gone.
    }
  }

  #drop(): void {
    if (!this.#over) this.#finish("dropped");
  }

  #finish(how: "sent" | "dropped"): void {
    if (this.#over) return;
    this.#over = true;
    this.#target.counts[how === "sent" ? "taken" : "declined"]++;
    if (how === "sent") this.#stream.close();
    else this.#stream.abort(new Error("the copy was dropped"));
    this.#waiting = [];
    this.#given(this.#waitingBytes);
    this.#wake.resolve();
    this.#limits.leave(this.#target.owner);
  }

  #given(bytes: number): void {
    const known = Math.min(bytes, this.#waitingBytes); // the rest was given back when it finished
    this.#waitingBytes -= known;
    this.#limits.give(this.#target.owner, known);
  }
}

/** Reads one final response to its end. @throws when the stream breaks, or isn't HTTP */
async function discardResponse(reader: ByteReader, method: string): Promise<void> {
  for (;;) {
    const head = await responseHead(reader, () => reader.more());
    if (!head) return;
    reader.skip(head.bytes.length);
    if (head.status === 101) break;
    if (head.status < 200) continue;
    const body = new MessageBody(responseBodyLength(head, method));
    for (;;) {
      reader.skip(body.take(reader.buffered));
      if (body.complete || !await reader.more()) return;
    }
  }
  do reader.skip(reader.buffered.length); while (await reader.more());
}
