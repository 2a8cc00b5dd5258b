/**
 * Ends a caller's HTTP/2 connection without TLS, and routes its streams, each for itself. Relay is the server of the caller, and a client
 * of the pod and of laptops' programs: each hop has its own compression and stream numbers, while headers, content, trailers, resets and
 * flow control go from end to end. What the pod (or the whole-service rule's laptop, which stands for it) announces is what the caller
 * is told.
 */
import { Connection, type ConnectionEnd, type Settings, type Stream } from "../../hbone/mod.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Http2Request } from "../routing/http2_request.ts";
import { Broken } from "./broken.ts";
import { MESSAGE_LIMITS, MOST_BUFFERED, WINDOW } from "./http2_server.ts";
import { StreamServers } from "./stream_servers.ts";
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
/** Milliseconds that a caller has to read that it should use another connection. */
const SHUTDOWN_MS = 5_000;

/** Limits of a caller's streams. */
export const CALLER_LIMITS = {
  ...MESSAGE_LIMITS,
  streams: MOST_STREAMS,
  buffered: MOST_BUFFERED,
  window: LARGEST_WINDOW,
  earlyResetsPerSecond: EARLY_RESETS,
};

export class Http2Session {
  readonly #transport: AbortableTransport;
  readonly #connection: InterceptedConnection;
  readonly #upstreams: Upstreams;
  readonly #servers: StreamServers;
  #caller: Connection | undefined;
  /** What ended the caller's connection. */
  #broken: Broken | undefined;

  constructor(transport: AbortableTransport, connection: InterceptedConnection, upstreams: Upstreams) {
    this.#transport = transport;
    this.#connection = connection;
    this.#upstreams = upstreams;
    this.#servers = new StreamServers(
      connection,
      upstreams,
      (by, isAlone, end) => this.#othersLeave(by, isAlone, end),
    );
  }

  /**
   * Carries the connection to its end.
   * @param others has got the preface, and answers it
   * @throws when it breaks before it has told its settings
   */
  async run(others: Upstream): Promise<CarriedOutcome> {
    let settings: Readonly<Settings>;
    try {
      settings = await (await this.#servers.takeOver(others)).ready;
    } catch (error) {
      throw new Broken(others.end, error);
    }
    const { kind, error } = await this.#serve(settings).closed;
    await this.#servers.end();
    if (this.#broken) return { ...this.#outcome(), by: this.#broken.by, details: this.#broken.message };
    if (kind === "clean") return this.#outcome();
    return { ...this.#outcome(), by: "caller", details: error?.message ?? "the caller's connection broke" };
  }

  #serve({ maxConcurrentStreams, maxHeaderListSize, enableConnectProtocol }: Readonly<Settings>): Connection {
    return this.#caller = new Connection(this.#transport, {
      role: "server",
      limits: { ...CALLER_LIMITS, streams: Math.min(MOST_STREAMS, maxConcurrentStreams) },
      settings: {
        initialWindowSize: WINDOW,
        maxFrameSize: CALLER_FRAME,
        maxHeaderListSize: Math.min(CALLER_LIMITS.headerList, maxHeaderListSize),
        enableConnectProtocol,
      },
      encoder: { secret: new Set() },
      pool: this.#upstreams.buffers,
      onStream: (stream) => this.#route(stream),
    });
  }

  #outcome(): CarriedOutcome {
    const { wentToLaptop, details } = this.#servers;
    return { kind: wentToLaptop ? "laptop" : "pod", ...details !== undefined && { details } };
  }

  #route(stream: Stream): void {
    const request = Http2Request.of(stream.request);
    const rule = request && this.#upstreams.router().byRequest(request, this.#connection.caller.address);
    this.#servers.take(stream, rule);
  }

  /** The pod's word is the caller's to hear: it may find another pod. */
  #othersLeave(by: "laptop" | "pod", isAlone: boolean, end?: ConnectionEnd): void {
    // As without pmz, the caller loses its connection with the pod's, unless somebody else still answers it.
    if (end === undefined || end.kind === "clean" || !isAlone) this.#caller?.shutdown(SHUTDOWN_MS);
    else if (end.kind === "goaway") this.#caller?.abort(end.code);
    else {
      this.#broken = new Broken(by, end.error);
      this.#transport.abort(this.#broken);
    }
  }
}
