/**
 * The DNS stub of one nameserver: it answers names that are pmz's and forwards the others. A query's way: in by UDP (here) or TCP
 * (tcp_session.ts), whose socket sent it (ffi/proc/socket_owner.ts), consider (respond.ts), then an answer, or exactly the
 * nameserver that was asked (forward.ts, tcp_upstream.ts). Nothing is cached.
 */
import type { RemoteInfo } from "node:dgram";
import { acceptAll } from "../../ffi/sockets/accept.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Arrival } from "../../ffi/proc/socket_owner.ts";
import type { SocketEnd } from "../../ffi/proc/socket_table.ts";
import { type Nameserver, NoAnswer, UdpForwarder } from "./forward.ts";
import { type Message, rcodes } from "../../dns/message.ts";
import { writeMessage } from "../../dns/message_writer.ts";
import { resolveExternalName } from "./external_name.ts";
import { askForCompleted } from "./completed_name.ts";
import { consider, failure } from "./respond.ts";
import type { Sender } from "./sender.ts";
import { type NameServerStats, zeroStats } from "./stats.ts";
import { openStub, type StubSockets } from "./stub_listener.ts";
import { TcpSession } from "./tcp_session.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import type { Zone } from "../zone/zone.ts";

/** UDP queries at a time; those that wait for the nameserver are limited by UdpForwarder. */
const MOST_QUERIES = 1_024;
const MOST_CONNECTIONS = 64;

export interface NameServerOptions {
  readonly zone: Pick<Zone, "answer" | "isCompleted">;
  /** The address to listen on, at a free port. */
  readonly address: string;
  /** The nameserver that gets the queries that aren't for pmz. */
  readonly nameserver: Nameserver;
  /** The laptop's other nameservers. */
  readonly others?: () => readonly Nameserver[];
  /** Whose a query is: the user's are answered, root's are forwarded, others get nothing. */
  readonly senderOf: (arrival: Arrival) => Promise<Sender>;
  /** Addresses to which no cluster's name may lead. */
  readonly forbidden: (address: IpAddress) => boolean;
  /** What becomes of a nameserver's answer; undefined for one that must not reach the client. */
  readonly filter?: (answer: Uint8Array) => Uint8Array | undefined;
  readonly forwarder?: UdpForwarder;
}

export class NameServer implements AsyncDisposable {
  readonly stats: NameServerStats = zeroStats();
  readonly #options: NameServerOptions;
  readonly #sockets: StubSockets;
  readonly #forwarder: UdpForwarder;
  readonly #stop = new AbortController();
  readonly #queries = new Set<Promise<void>>();
  readonly #sessions = new Set<TcpSession>();
  readonly #accepting: Promise<void>;
  #closed: Promise<void> | undefined;

  /** @throws as {@linkcode openStub}. */
  static async open(options: NameServerOptions): Promise<NameServer> {
    return new NameServer(options, await openStub(options.address));
  }

  private constructor(options: NameServerOptions, sockets: StubSockets) {
    this.#options = options;
    this.#sockets = sockets;
    this.#forwarder = options.forwarder ?? new UdpForwarder();
    sockets.udp.on("message", (query, from) => this.#arrive(query, from));
    // A datagram that could not be sent: its client asks again.
    sockets.udp.on("error", () => {});
    this.#accepting = acceptAll(sockets.tcp, (conn) => this.#take(conn));
  }

  /** The address and port of both sockets. */
  get end(): SocketEnd {
    return this.#sockets.end;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#stop.abort(new NoAnswer("overtaken", "the DNS stub was closed"));
    await this.#sockets[Symbol.asyncDispose]();
    await Promise.all([...this.#sessions].map((session) => session[Symbol.asyncDispose]()));
    await Promise.all([...this.#queries, this.#accepting]);
  }

  #arrive(query: Uint8Array, from: RemoteInfo): void {
    if (this.#queries.size >= MOST_QUERIES) {
      this.stats.dropped++;
      return;
    }
    const done = this.#serve(query, from).catch(() => {
      // Reading /proc or sending failed: the same as a lost datagram, which every resolver copes with.
      this.stats.dropped++;
    }).finally(() => this.#queries.delete(done));
    this.#queries.add(done);
  }

  async #serve(query: Uint8Array, from: RemoteInfo): Promise<void> {
    const arrival = {
      protocol: "udp",
      peer: { address: from.address, port: from.port },
      own: this.end,
    } as const;
    const sender = await this.#options.senderOf(arrival);
    if (sender === "other") {
      this.stats.refused++;
      return;
    }
    const reply = sender === "root" ? await this.#forward(query) : await this.#reply(query);
    if (reply && !this.#stop.signal.aborted) this.#sockets.udp.send(reply, from.port, from.address);
  }

  async #reply(query: Uint8Array): Promise<Uint8Array | undefined> {
    const { zone, nameserver } = this.#options;
    const verdict = consider(query, zone);
    if (verdict.kind === "drop") return undefined;
    if (verdict.kind !== "pass") return writeMessage(await this.own(verdict), verdict.udpLimit);
    this.stats.forwarded++;
    try {
      if (verdict.name === undefined) return await this.#forwarder.ask(query, nameserver, this.#stop.signal);
      return await this.#passOn(query, verdict.name);
    } catch (error) {
      this.stats.unanswered++;
      // A silent nameserver stays silent to the client; one that can't be reached is said at once.
      return error instanceof NoAnswer && error.kind === "unreachable"
        ? written(failure(query, rcodes.servFail, error.message))
        : undefined;
    }
  }

  /** The nameserver's own answer, whatever the query; undefined when there is none. */
  async #forward(query: Uint8Array): Promise<Uint8Array | undefined> {
    this.stats.forwarded++;
    return await this.#forwarder.ask(query, this.#options.nameserver, this.#stop.signal).catch(() => {
      this.stats.unanswered++;
      return undefined;
    });
  }

  /** What the client gets for a query that is forwarded. @throws {NoAnswer} */
  async #passOn(query: Uint8Array, name: string): Promise<Uint8Array | undefined> {
    const answer = await this.#ask(query, name);
    if (!answer) return written(failure(query, rcodes.nxDomain));
    return this.#filter(answer) ?? written(failure(query));
  }

  /** What the nameserver answers; undefined when nothing but a name of pmz can be meant. */
  #ask(query: Uint8Array, name: string): Promise<Uint8Array | undefined> {
    const { zone, nameserver, others } = this.#options;
    const { signal } = this.#stop;
    return zone.isCompleted(name)
      ? askForCompleted(query, nameserver, others?.() ?? [], this.#forwarder, signal)
      : this.#forwarder.ask(query, nameserver, signal);
  }

  readonly #filter = (answer: Uint8Array): Uint8Array | undefined =>
    this.#options.filter ? this.#options.filter(answer) : answer;

  /** The answer to a query for a name of pmz; never rejects. */
  async own(verdict: Extract<ReturnType<typeof consider>, { kind: "answer" | "outside" }>): Promise<Message> {
    this.stats.answered++;
    const { nameserver, forbidden } = this.#options;
    if (verdict.kind === "answer") return verdict.reply;
    try {
      return await resolveExternalName(verdict, nameserver, this.#forwarder, forbidden, this.#stop.signal);
    } catch {
      this.stats.unanswered++;
      return { ...verdict.reply, rcode: 2, answers: [], authorities: [], additionals: [] };
    }
  }

  #take(conn: Deno.TcpConn): void {
    if (this.#sessions.size >= MOST_CONNECTIONS || this.#stop.signal.aborted) {
      this.stats.dropped++;
      return closeQuietly(conn);
    }
    const { zone, nameserver, senderOf } = this.#options;
    const session = new TcpSession(conn, {
      zone,
      nameserver,
      senderOf,
      own: (verdict) => this.own(verdict),
      completed: (query, name) => zone.isCompleted(name) ? this.#passOn(query, name) : undefined,
      filter: this.#filter,
      stats: this.stats,
    });
    this.#sessions.add(session);
    session.done.finally(() => this.#sessions.delete(session));
  }
}

function written(message: Message | undefined): Uint8Array | undefined {
  return message && writeMessage(message);
}
