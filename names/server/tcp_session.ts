/** One client's TCP connection to a DNS stub, with any number of queries, each answered as soon as possible (RFC 7766). */
import { type Arrival, arrivalOf } from "../../ffi/proc/socket_owner.ts";
import type { Nameserver } from "./forward.ts";
import type { Message } from "../../dns/message.ts";
import { writeMessage } from "../../dns/message_writer.ts";
import { consider, type Reply } from "./respond.ts";
import type { Sender } from "./sender.ts";
import type { NameServerStats } from "./stats.ts";
import { MessageWriter, readMessages } from "../../dns/tcp_frames.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import { TcpUpstream } from "./tcp_upstream.ts";
import type { Zone } from "../zone/zone.ts";

/** Queries of one connection that wait for an answer; the next one is read when there is room. */
const MOST_WAITING = 64;
/** Milliseconds without a message in either direction. */
const IDLE_MS = 30_000;

export interface TcpSessionOptions {
  readonly zone: Pick<Zone, "answer">;
  readonly nameserver: Nameserver;
  readonly senderOf: (arrival: Arrival) => Promise<Sender>;
  /** The answer to a query for a name of pmz; never rejects. */
  readonly own: (verdict: Extract<Reply, { kind: "answer" | "outside" }>) => Promise<Message>;
  /** What the client gets for a name that a resolver has completed on its way to one of pmz's; undefined for other names. */
  readonly completed: (query: Uint8Array, name: string) => Promise<Uint8Array | undefined> | undefined;
  /** What becomes of a nameserver's answer; undefined for one that must not reach the client. */
  readonly filter: (answer: Uint8Array) => Uint8Array | undefined;
  readonly stats: NameServerStats;
}

export class TcpSession implements AsyncDisposable {
  /** Settles when the connection has ended; never rejects. */
  readonly done: Promise<void>;
  readonly #conn: Deno.TcpConn;
  readonly #options: TcpSessionOptions;
  readonly #end = new AbortController();
  readonly #waiting = new Set<Promise<void>>();
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(conn: Deno.TcpConn, options: TcpSessionOptions) {
    this.#conn = conn;
    this.#options = options;
    this.done = this.#run().catch(() => {}).finally(() => {
      clearTimeout(this.#idle);
      closeQuietly(conn);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#break();
    await this.done;
  }

  #break(): void {
    this.#end.abort();
    closeQuietly(this.#conn);
  }

  async #run(): Promise<void> {
    const { nameserver, senderOf, filter, stats } = this.#options;
    const sender = await senderOf(arrivalOf(this.#conn));
    if (sender === "other") {
      stats.refused++;
      return;
    }
    const writer = new MessageWriter(this.#conn);
    const answered = (message: Uint8Array) => {
      this.#stillThere();
      return writer.send(message);
    };
    const onLost = () => {
      // The missing answers can't come: the client asks another server, as it would without pmz.
      stats.unanswered++;
      this.#break();
    };
    const { signal } = this.#end;
    const onAnswer = (message: Uint8Array) => {
      const kept = sender === "root" ? message : filter(message);
      if (!kept) this.#break();
      return kept ? answered(kept) : Promise.resolve();
    };
    await using upstream = new TcpUpstream({ nameserver, onAnswer, onLost, signal });
    this.#stillThere();
    for await (const query of readMessages(this.#conn)) {
      this.#stillThere();
      if (sender === "user") await this.#take(query, upstream, answered);
      else await this.#forward(query, upstream);
    }
    // The client has sent its last query, and still reads answers.
    await Promise.all(this.#waiting);
    await upstream.until(0);
  }

  async #take(
    query: Uint8Array,
    upstream: TcpUpstream,
    answered: (message: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const verdict = consider(query, this.#options.zone);
    if (verdict.kind === "drop") return;
    if (verdict.kind === "pass") {
      const completed = verdict.name === undefined ? undefined : this.#options.completed(query, verdict.name);
      if (!completed) return await this.#forward(query, upstream);
      this.#options.stats.forwarded++;
      return await this.#wait(
        completed.then((reply) => !reply || isTruncated(reply) ? upstream.send(query) : answered(reply)),
      );
    }
    await this.#wait(this.#options.own(verdict).then((reply) => answered(writeMessage(reply))));
  }

  /** Lets the next query be read while this one is answered, unless too many are. */
  async #wait(answering: Promise<void>): Promise<void> {
    const sent = answering
      .catch(() => this.#break())
      .finally(() => this.#waiting.delete(sent));
    this.#waiting.add(sent);
    if (this.#waiting.size >= MOST_WAITING) await Promise.race(this.#waiting);
  }

  async #forward(query: Uint8Array, upstream: TcpUpstream): Promise<void> {
    this.#options.stats.forwarded++;
    await upstream.until(MOST_WAITING - 1);
    return upstream.send(query);
  }

  #stillThere(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#break(), IDLE_MS);
  }
}

/** Whether an answer was cut, as for UDP. */
function isTruncated(answer: Uint8Array): boolean {
  return ((answer[2] ?? 0) & 2) !== 0;
}
