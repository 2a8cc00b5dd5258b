/** Hot path: promises and objects for each stream, none for each frame. */
import {
  type BufferPool,
  type Connection,
  type ConnectionEnd,
  type Header,
  type Stream,
} from "../../hbone/mod.ts";
import type { RoutedRule } from "../routing/router.ts";
import {
  clientOf,
  type ConnectionEvents,
  Http2Server,
  type Http2ServerOptions,
  settled,
  Unreachable,
} from "./http2_server.ts";
import { answerOf, openStream } from "./laptop_stream.ts";
import { Servers } from "./servers.ts";
import type { Upstream } from "./upstream.ts";
import type { InterceptedConnection, Upstreams } from "./upstreams.ts";

/** Bytes of a request's fields for each of which its stream takes a place. */
const FIELDS_PER_PLACE = 4 * 1024;
/** Laptops' programs that a caller's connection is connected to. */
const MOST_LAPTOPS = 8;

/** A server that is connected to, and what it was when it was dialled. */
interface Kept {
  readonly server: Http2Server;
  readonly rule: string | undefined;
  readonly tunnel: unknown;
}

/** Called when the pod, or the whole-service rule's laptop, takes no more streams; `end`: its connection ends. */
export type OnOthersLeaving = (by: "laptop" | "pod", isAlone: boolean, end?: ConnectionEnd) => void;

/** The servers that answer one caller's streams: the laptops of personal rules, and the one that has all else. */
export class StreamServers {
  readonly #connection: InterceptedConnection;
  readonly #upstreams: Upstreams;
  readonly #pool: BufferPool;
  readonly #onOthersLeaving: OnOthersLeaving;
  /** The pod, or the whole-service rule's laptop. */
  #others: Kept | undefined;
  /** By their rules' UIDs. */
  readonly #laptops = new Map<string, Kept>();
  /** All servers that aren't closed yet. */
  readonly #open = new Set<Http2Server>();
  wentToLaptop = false;
  /** Why a laptop didn't get a stream. */
  details: string | undefined;

  constructor(
    connection: InterceptedConnection,
    upstreams: Upstreams,
    onOthersLeaving: OnOthersLeaving = () => {},
  ) {
    this.#connection = connection;
    this.#upstreams = upstreams;
    this.#pool = upstreams.buffers;
    this.#onOthersLeaving = onOthersLeaving;
  }

  /**
   * Takes a connection over, to have all that no personal rule takes.
   * @param others has got the preface, and answers it
   */
  takeOver(others: Upstream): Promise<Connection> {
    const { server } = this.#keepOthers(
      others.rule,
      others.tunnel,
      (events) => settled(clientOf(others.unread(), this.#pool, { ...events, prefaceSent: true })),
    );
    return server.connected;
  }

  /** Has a stream answered; `rule` is the one that takes it. It is refused when its caller has more open than its share. */
  take(stream: Stream, rule: RoutedRule | undefined): void {
    const { streams } = this.#upstreams;
    const { address } = this.#connection.caller;
    const places = placesOf(stream.request);
    if (!streams.enter(address, places)) {
      return this.#refuse(stream, new Unreachable("the caller's share of all HTTP/2 streams is open"));
    }
    stream.closed.then(() => streams.leave(address, places));
    const laptop = rule && this.#laptopOf(rule);
    if (laptop) return laptop.server.take(stream);
    if (rule) rule.counts.declined++;
    this.#toOthers(stream);
  }

  /** Breaks what is still answered. */
  async end(): Promise<void> {
    await Promise.all([...this.#open].map((server) => server.end()));
  }

  #toOthers(stream: Stream): void {
    this.#ofOthers().server.take(stream);
  }

  /** The program of a rule's laptop; undefined where it can't be had. */
  #laptopOf(rule: RoutedRule): Kept | undefined {
    const [tunnel] = this.#upstreams.tunnels.of(rule.uid);
    const kept = this.#laptops.get(rule.uid);
    if (kept?.server.takes && kept.tunnel === tunnel) return kept;
    kept?.server.leave();
    const { caller, destination } = this.#connection;
    const { tunnels, flow, pod } = this.#upstreams;
    const stream = openStream(tunnels, rule.uid, { caller, destination, flow, pod });
    if (!stream) return undefined;
    this.#laptops.delete(rule.uid);
    for (const [uid, oldest] of this.#laptops) {
      if (this.#laptops.size < MOST_LAPTOPS) break;
      this.#laptops.delete(uid);
      oldest.server.leave();
    }
    return this.#keepLaptop(rule, tunnel, stream);
  }

  /** Where everything goes that no personal rule takes. */
  #ofOthers(): Kept {
    const rule = this.#upstreams.whole();
    const tunnel = rule === undefined ? undefined : this.#upstreams.tunnels.of(rule)[0];
    const whole = tunnel && rule;
    const now = this.#others;
    if (now?.server.takes && now.rule === whole && now.tunnel === tunnel) return now;
    const next = this.#keepOthers(whole, tunnel, (events) => this.#dialOthers(events));
    now?.server.leave();
    return next;
  }

  #keepOthers(rule: string | undefined, tunnel: unknown, dial: Http2ServerOptions["dial"]): Kept {
    const server = this.#add({
      dial,
      onForwarded: () => {
        if (rule !== undefined) this.wentToLaptop = true;
      },
      onUnreachable: (stream, why) => this.#refuse(stream, why),
      onLeaving: (server, end) => this.#leaves(server, end),
    });
    return this.#others = { server, rule, tunnel };
  }

  #keepLaptop(rule: RoutedRule, tunnel: unknown, stream: Stream): Kept {
    const server = this.#add({
      dial: (events) => this.#dialLaptop(stream, events),
      onForwarded: () => {
        rule.counts.taken++;
        this.wentToLaptop = true;
      },
      onUnreachable: (stream, why) => {
        if (!why.isDeclined) return this.#refuse(stream, why);
        this.details = why.message;
        rule.counts.declined++;
        this.#toOthers(stream);
      },
      onLeaving: (server) => server.leave(),
    });
    const kept: Kept = { server, rule: rule.uid, tunnel };
    this.#laptops.set(rule.uid, kept);
    return kept;
  }

  #add(options: Http2ServerOptions): Http2Server {
    const server = new Http2Server(options);
    this.#open.add(server);
    server.closed.then(() => this.#open.delete(server));
    return server;
  }

  async #dialOthers(events: ConnectionEvents): Promise<Connection> {
    const upstream = await new Servers(this.#connection, this.#upstreams).ofOthers();
    return await settled(clientOf(upstream.unread(), this.#pool, events));
  }

  async #dialLaptop(stream: Stream, events: ConnectionEvents): Promise<Connection> {
    // The preface travels with the question.
    const connection = clientOf(stream, this.#pool, events);
    const answer = await answerOf(stream, () => false, () => Promise.resolve());
    if (answer.kind === "accepted") return await settled(connection);
    connection.abort();
    throw new Unreachable(answer.details, { declined: answer.kind === "declined" });
  }

  #leaves(server: Http2Server, end?: ConnectionEnd): void {
    server.leave();
    const others = this.#others;
    if (server !== others?.server) return;
    this.#others = undefined;
    const isAlone = ![...this.#open].some((other) => other !== server && other.streams > 0);
    this.#onOthersLeaving(others.rule === undefined ? "pod" : "laptop", isAlone, end);
  }

  #refuse(stream: Stream, why: Unreachable): void {
    this.details = why.message;
    stream.reset(why.code);
  }
}

/** How many places a stream takes: its request is kept as long as it is open. */
function placesOf(request: readonly Header[]): number {
  const bytes = request.reduce((all, [name, value]) => all + name.length + value.length, 0);
  return 1 + Math.floor(bytes / FIELDS_PER_PLACE);
}
