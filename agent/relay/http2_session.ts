/**
 * Routes the streams of one caller's HTTP/2 connection without TLS, each for itself. Relay is the server of the caller, and a client of
 * the pod and of laptops' programs: each hop has its own compression and stream numbers, while headers, content, trailers, resets and
 * flow control go from end to end.
 *
 * The caller's connection is only taken apart once the pod (or the whole-service rule's laptop, which stands for it) has answered the
 * caller's preface as an HTTP/2 server. What it announces is what the caller is told. If it says anything else, the connection is
 * carried to it raw: it has got nothing but the caller's own preface so far.
 *
 * Hot path: promises and objects for each stream, none for each frame.
 */
import {
  type BufferPool,
  Connection,
  type ConnectionEnd,
  type Header,
  relay,
  type Settings,
  type Stream,
} from "../../hbone/mod.ts";
import type { ByteReader } from "../../http/byte_reader.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Http2Request } from "../routing/http2_request.ts";
import type { RoutedRule } from "../routing/router.ts";
import { Broken } from "./broken.ts";
import { answersPreface, PREFACE } from "./http2_preface.ts";
import {
  clientOf,
  type ConnectionEvents,
  Http2Server,
  type Http2ServerOptions,
  MESSAGE_LIMITS,
  MOST_BUFFERED,
  settled,
  Unreachable,
  WINDOW,
} from "./http2_server.ts";
import { answerOf, openStream } from "./laptop_stream.ts";
import { Servers } from "./servers.ts";
import { UnreadTransport } from "./unread_transport.ts";
import type { Upstream } from "./upstream.ts";
import type { CarriedOutcome, InterceptedConnection, Upstreams } from "./upstreams.ts";

/** Streams that a caller may have open at once; fewer where the pod allows less. */
const MOST_STREAMS = 512;
/** Bytes of a frame that a caller may send: what every server takes, so that frames needn't be divided for it. */
const CALLER_FRAME = 16_384;
/** Bytes that the window of one stream may grow to. */
const LARGEST_WINDOW = 4 * 1024 * 1024;
/** Streams that a caller may give up before they are answered, a second. */
const EARLY_RESETS = 1_000;
/** Bytes of a request's fields for each of which its stream takes a place. */
const FIELDS_PER_PLACE = 4 * 1024;
/** Laptops' programs that a caller's connection is connected to. */
const MOST_LAPTOPS = 8;
/** Milliseconds that a caller has to read that it should use another connection. */
const SHUTDOWN_MS = 5_000;

/**
 * Carries a connection whose caller has sent HTTP/2's preface; never rejects.
 * @param reader holds the preface still
 * @param pod the connection to the pod, if it was dialled already
 */
export async function carryHttp2(
  caller: AbortableTransport,
  reader: ByteReader,
  connection: InterceptedConnection,
  upstreams: Upstreams,
  pod?: Upstream,
): Promise<CarriedOutcome> {
  try {
    const isPods = pod !== undefined && upstreams.whole() === undefined;
    const others = isPods ? pod : await new Servers(connection, upstreams, pod).ofOthers();
    if (!await answersPreface(others)) return await carryRaw(caller, reader, others);
    return await new Http2Session(new UnreadTransport(caller, reader), connection, upstreams).run(others);
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    caller.abort(reason);
    return { kind: "reset", details: reason.message, ...(reason instanceof Broken && { by: reason.by }) };
  }
}

/** Carries a connection whose server isn't an HTTP/2 server, or may not be one: it has got the preface already. */
async function carryRaw(
  caller: AbortableTransport,
  reader: ByteReader,
  others: Upstream,
): Promise<CarriedOutcome> {
  reader.skip(PREFACE.length);
  const { error, brokenBy } = await relay(new UnreadTransport(caller, reader), others.unread());
  if (!error) return { kind: others.end };
  return { kind: others.end, by: brokenBy === "a" ? "caller" : others.end, details: error.message };
}

/** A server that is connected to, and what it was when it was dialled. */
interface Kept {
  readonly server: Http2Server;
  readonly rule: string | undefined;
  readonly tunnel: unknown;
}

class Http2Session {
  readonly #transport: AbortableTransport;
  readonly #connection: InterceptedConnection;
  readonly #upstreams: Upstreams;
  readonly #pool: BufferPool;
  #caller: Connection | undefined;
  /** The pod, or the whole-service rule's laptop. */
  #others: Kept | undefined;
  /** By their rules' UIDs. */
  readonly #laptops = new Map<string, Kept>();
  /** All servers that aren't closed yet. */
  readonly #open = new Set<Http2Server>();
  #wentToLaptop = false;
  /** Why a laptop didn't get a stream. */
  #details: string | undefined;
  /** What ended the caller's connection. */
  #broken: Broken | undefined;

  constructor(transport: AbortableTransport, connection: InterceptedConnection, upstreams: Upstreams) {
    this.#transport = transport;
    this.#connection = connection;
    this.#upstreams = upstreams;
    this.#pool = upstreams.buffers;
  }

  /**
   * Carries the connection to its end.
   * @param others has got the preface, and answers it
   * @throws when it breaks before it has told its settings
   */
  async run(others: Upstream): Promise<CarriedOutcome> {
    const { server } = this.#keepOthers(
      others.rule,
      others.tunnel,
      (events) => settled(clientOf(others.unread(), this.#pool, { ...events, prefaceSent: true })),
    );
    let settings: Readonly<Settings>;
    try {
      settings = await (await server.connected).ready;
    } catch (error) {
      throw new Broken(others.end, error);
    }
    const { kind, error } = await this.#serve(settings).closed;
    await Promise.all([...this.#open].map((server) => server.end()));
    if (this.#broken) return { ...this.#outcome(), by: this.#broken.by, details: this.#broken.message };
    if (kind === "clean") return this.#outcome();
    return { ...this.#outcome(), by: "caller", details: error?.message ?? "the caller's connection broke" };
  }

  #serve({ maxConcurrentStreams, maxHeaderListSize, enableConnectProtocol }: Readonly<Settings>): Connection {
    const limits = {
      ...MESSAGE_LIMITS,
      streams: Math.min(MOST_STREAMS, maxConcurrentStreams),
      buffered: MOST_BUFFERED,
      window: LARGEST_WINDOW,
      earlyResetsPerSecond: EARLY_RESETS,
    };
    return this.#caller = new Connection(this.#transport, {
      role: "server",
      limits,
      settings: {
        initialWindowSize: WINDOW,
        maxFrameSize: CALLER_FRAME,
        maxHeaderListSize: Math.min(limits.headerList, maxHeaderListSize),
        enableConnectProtocol,
      },
      encoder: { secret: new Set() },
      pool: this.#pool,
      onStream: (stream) => this.#route(stream),
    });
  }

  #outcome(): CarriedOutcome {
    const details = this.#details;
    return { kind: this.#wentToLaptop ? "laptop" : "pod", ...details !== undefined && { details } };
  }

  // Where a stream goes

  #route(stream: Stream): void {
    const { streams } = this.#upstreams;
    const { address } = this.#connection.caller;
    const places = placesOf(stream.request);
    if (!streams.enter(address, places)) {
      return this.#refuse(stream, new Unreachable("the caller's share of all HTTP/2 streams is open"));
    }
    stream.closed.then(() => streams.leave(address, places));
    const request = Http2Request.of(stream.request);
    const rule = request && this.#upstreams.router().byRequest(request, address);
    const laptop = rule && this.#laptopOf(rule);
    if (laptop) return laptop.server.take(stream);
    if (rule) rule.counts.declined++;
    this.#toOthers(stream);
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

  // The servers

  #keepOthers(rule: string | undefined, tunnel: unknown, dial: Http2ServerOptions["dial"]): Kept {
    const server = this.#add({
      dial,
      onForwarded: () => {
        if (rule !== undefined) this.#wentToLaptop = true;
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
        this.#wentToLaptop = true;
      },
      onUnreachable: (stream, why) => {
        if (!why.isDeclined) return this.#refuse(stream, why);
        this.#details = why.message;
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

  /** The pod's word is the caller's to hear: it may find another pod. */
  #leaves(server: Http2Server, end?: ConnectionEnd): void {
    server.leave();
    const others = this.#others;
    if (server !== others?.server) return;
    this.#others = undefined;
    // As without pmz, the caller loses its connection with the pod's, unless somebody else still answers it.
    const isAlone = ![...this.#open].some((other) => other !== server && other.streams > 0);
    if (end === undefined || end.kind === "clean" || !isAlone) this.#caller?.shutdown(SHUTDOWN_MS);
    else if (end.kind === "goaway") this.#caller?.abort(end.code);
    else {
      this.#broken = new Broken(others.rule === undefined ? "pod" : "laptop", end.error);
      this.#transport.abort(this.#broken);
    }
  }

  #refuse(stream: Stream, why: Unreachable): void {
    this.#details = why.message;
    stream.reset(why.code);
  }
}

/** How many places a stream takes: its request is kept as long as it is open. */
function placesOf(request: readonly Header[]): number {
  const bytes = request.reduce((all, [name, value]) => all + name.length + value.length, 0);
  return 1 + Math.floor(bytes / FIELDS_PER_PLACE);
}
