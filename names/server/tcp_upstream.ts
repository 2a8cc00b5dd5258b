/** Forwards queries to the laptop's own nameserver over TCP: one connection for each of a client's, opened with the first query. */
import { type Nameserver, NoAnswer } from "./forward.ts";
import { MessageWriter, readMessages } from "../../dns/tcp_frames.ts";
import { closeQuietly } from "../../net/close_quietly.ts";

const CONNECT_MS = 5_000;
/** Milliseconds from a query to its answer, on a connection of its own. */
const ANSWER_MS = 10_000;

/** The nameserver's side of a client's connection: queries and answers pass unchanged, answers in the nameserver's order. */
export class TcpUpstream implements AsyncDisposable {
  readonly #nameserver: Nameserver;
  readonly #onAnswer: (message: Uint8Array) => Promise<void>;
  readonly #onLost: () => void;
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  /** Sends and reads under way. */
  readonly #running = new Set<Promise<void>>();
  readonly #open = new Set<Deno.TcpConn>();
  #upstream: Promise<MessageWriter> | undefined;
  #outstanding = 0;
  #changed = Promise.withResolvers<void>();

  /** @param options.onLost called when the connection ended, or could not be made, with answers missing */
  constructor(options: {
    readonly nameserver: Nameserver;
    readonly onAnswer: (message: Uint8Array) => Promise<void>;
    readonly onLost: () => void;
    readonly signal: AbortSignal;
  }) {
    this.#nameserver = options.nameserver;
    this.#onAnswer = options.onAnswer;
    this.#onLost = options.onLost;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#signal.addEventListener("abort", () => this.#wake());
  }

  /** Sends a query after those before it. When the connection can't be made, `onLost` is called. */
  send(query: Uint8Array): void {
    this.#outstanding++;
    this.#upstream ??= this.#connect();
    this.#run(this.#upstream.then((writer) => writer.send(query)).catch(() => this.#lost()));
  }

  /** Settles when at most `most` answers are missing, or the connection has ended. */
  async until(most: number): Promise<void> {
    while (this.#outstanding > most && !this.#signal.aborted) await this.#changed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    while (this.#running.size > 0) {
      for (const conn of this.#open) closeQuietly(conn);
      await Promise.all(this.#running);
    }
  }

  async #connect(): Promise<MessageWriter> {
    const conn = await connectTo(this.#nameserver, this.#signal);
    this.#open.add(conn);
    this.#run(this.#read(conn));
    return new MessageWriter(conn);
  }

  #run(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #read(conn: Deno.TcpConn): Promise<void> {
    try {
      for await (const message of readMessages(conn)) {
        await this.#onAnswer(message);
        // A zone transfer comes in many messages.
        this.#outstanding = Math.max(0, this.#outstanding - 1);
        this.#wake();
      }
    } catch {
      // A broken connection is the same as one that ended, for queries that wait.
    }
    this.#open.delete(conn);
    closeQuietly(conn);
    this.#upstream = undefined;
    if (this.#outstanding > 0) this.#lost();
  }

  #lost(): void {
    this.#upstream = undefined;
    this.#outstanding = 0;
    this.#wake();
    if (!this.#signal.aborted) this.#onLost();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** One query and its answer over a connection of their own. @throws {NoAnswer} */
export async function askOverTcp(
  query: Uint8Array,
  nameserver: Nameserver,
  signal: AbortSignal,
  answerMs = ANSWER_MS,
): Promise<Uint8Array> {
  const conn = await connectTo(nameserver, signal);
  const stopped = () => closeQuietly(conn);
  signal.addEventListener("abort", stopped);
  if (signal.aborted) stopped();
  const timer = setTimeout(stopped, answerMs);
  try {
    await new MessageWriter(conn).send(query);
    for await (const message of readMessages(conn)) return message;
    throw new NoAnswer("silent", `${nameserver.address} closed the connection instead of answering`);
  } catch (cause) {
    if (cause instanceof NoAnswer) throw cause;
    throw new NoAnswer("silent", `the connection to ${nameserver.address} broke`, { cause });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stopped);
    closeQuietly(conn);
  }
}

async function connectTo({ address, port }: Nameserver, signal: AbortSignal): Promise<Deno.TcpConn> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  try {
    return await Deno.connect({ hostname: address, port, signal: limited });
  } catch (cause) {
    throw new NoAnswer("unreachable", `can't connect to ${address}`, { cause });
  }
}
