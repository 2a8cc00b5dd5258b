import { type Header, headerValue, relay, type Stream } from "../../hbone/mod.ts";
import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import type { Range } from "../../net/range.ts";
import { agree, type Hello, HelloMismatch, helloOf, parseHello } from "../../wire/hello.ts";
import { headers, HELLO_PROTOCOL, UDP_PROTOCOL } from "../../wire/streams.ts";
import { AllowedTargets, type LearningTargets } from "./allowed_targets.ts";
import type { DialledConnection, DialTarget } from "./dial.ts";
import { CANCELLED, PendingStream } from "./pending_stream.ts";
import { type Failed, failed, refuse, type ServedEnd, targetOf, unreached, withFlow } from "./served_end.ts";
import type { UdpFlows } from "./udp_flows.ts";
import { UdpStreams } from "./udp_streams.ts";

/** Times in milliseconds, and counts over all tunnels of a gateway. */
export const limits = {
  /** Until a dial is given up. */
  dialMs: 10_000,
  /** How long a stream waits for an unknown address: its Service may be newer than the watch's last event. */
  learnMs: 1_000,
  /** How long streams wait for the first lists of a gateway that has just started. */
  listMs: 5_000,
  dials: 1_024,
  streams: 16_384,
  /** UDP flows among them, which leave at least as many for connections. */
  udpFlows: 8_192,
  /** Streams that wait for their address to become known. */
  learning: 256,
} as const;

/** The gateway's side of a tunnel's hello. */
export const hello: Hello = helloOf("tunnel");

export interface Parts {
  readonly targets: LearningTargets;
  readonly dial: DialTarget;
  readonly udp: Pick<UdpFlows, "carry" | "size">;
  /** Allowed at deployment. */
  readonly ranges: readonly Range[];
  readonly limits?: Partial<Record<keyof typeof limits, number>>;
}

/** Answers the streams of all tunnels: decides whether a target may be dialled, dials it, and carries the bytes. */
export class StreamServer {
  readonly #parts: Parts;
  readonly #limits: Record<keyof typeof limits, number>;
  /** Streams open now but those of UDP flows. */
  #streams = 0;
  #dials = 0;
  readonly #allowed: AllowedTargets;
  readonly #udp: UdpStreams;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#limits = { ...limits, ...parts.limits };
    this.#allowed = new AllowedTargets(parts.targets, parts.ranges, this.#limits);
    this.#udp = new UdpStreams(this.#allowed, parts.udp, this.#limits.udpFlows);
  }

  /** Streams open now. */
  get streams(): number {
    return this.#streams + this.#udp.streams;
  }

  /** Serves a stream to its end; never rejects. */
  serve(stream: Stream): Promise<ServedEnd> {
    return isUdp(stream) ? this.#serveUdp(stream) : this.#serveOther(stream);
  }

  async #serveOther(stream: Stream): Promise<ServedEnd> {
    return withFlow(stream, await this.#serve(stream, targetOf(stream)));
  }

  /** Serves a UDP flow. It is no function that waits: most flows are quiet, and one would cost each a kilobyte. */
  #serveUdp(stream: Stream): Promise<ServedEnd> {
    const { answer, mismatch } = greet(stream);
    const refused = mismatch === undefined ? this.#full() : failed("http_request_error", mismatch);
    if (refused !== undefined) return Promise.resolve(withFlow(stream, refuse(stream, refused, answer)));
    return this.#udp.serve(stream, answer);
  }

  /** Why there is no room for another stream; undefined where there is. */
  #full(): Failed | undefined {
    if (this.streams < this.#limits.streams) return undefined;
    return failed("connection_limit_reached", `${this.#limits.streams} connections are open`);
  }

  async #serve(stream: Stream, target: string): Promise<ServedEnd> {
    const full = this.#full();
    if (full !== undefined) return refuse(stream, full);
    this.#streams++;
    try {
      return await this.#answer(stream, target);
    } catch (error) {
      stream.abort(error instanceof Error ? error : undefined);
      // The laptop gave the connection up while the target was dialled: its program did so, which is ordinary.
      const by = error === CANCELLED ? { by: "laptop" } as const : {};
      return { target, error: "broken", details: String(error), ...by, out: 0, in: 0 };
    } finally {
      this.#streams--;
    }
  }

  async #answer(stream: Stream, target: string): Promise<ServedEnd> {
    const greeting = greet(stream);
    if (greeting.mismatch !== undefined) {
      return refuse(stream, failed("http_request_error", greeting.mismatch), greeting.answer);
    }
    const method = headerValue(stream.request, ":method");
    const protocol = headerValue(stream.request, ":protocol");
    if (method === "CONNECT" && protocol === HELLO_PROTOCOL) {
      stream.respond([[":status", "200"], ...greeting.answer], { end: true });
      stream.close();
      return { target, out: 0, in: 0 };
    }
    if (method !== "CONNECT" || protocol !== undefined) {
      const what = protocol === undefined ? `method ${method}` : `protocol ${protocol}`;
      const details = `this gateway doesn't support the ${what}`;
      return refuse(stream, failed("http_request_error", details), greeting.answer);
    }
    const reached = await this.#reach(stream, target);
    if ("error" in reached) return refuse(stream, reached, greeting.answer);
    const { connection } = reached;
    stream.respond([[":status", "200"], ...greeting.answer]);
    const { aToB, bToA, error, brokenBy } = await relay(stream, connection);
    const end = { target, out: aToB, in: bToA };
    if (error === undefined) return end;
    const { address, port } = connection.local;
    return {
      ...end,
      error: "broken",
      details: error.message,
      by: brokenBy === "a" ? "laptop" : "target",
      local: formatEndpoint(address.text, port),
    };
  }

  /** Reaches a target for as long as the stream is open. @throws CANCELLED when it closes before */
  async #reach(stream: Stream, target: string): Promise<Reached> {
    using pending = new PendingStream(stream);
    const allowed = await this.#allowed.later(target, pending.signal);
    if ("error" in allowed) return allowed;
    const reached = await this.#dial(allowed.endpoint, pending.signal);
    if (!pending.signal.aborted || "error" in reached) return reached;
    reached.connection.abort();
    throw CANCELLED;
  }

  async #dial(endpoint: Endpoint, signal: AbortSignal): Promise<Reached> {
    if (this.#dials >= this.#limits.dials) {
      return failed("connection_limit_reached", `${this.#limits.dials} dials are pending`);
    }
    this.#dials++;
    try {
      const connection = await this.#parts.dial(endpoint, { timeoutMs: this.#limits.dialMs, signal });
      return { connection };
    } catch (error) {
      return unreached(endpoint, error, "can't connect to");
    } finally {
      this.#dials--;
    }
  }
}

type Reached = { readonly connection: DialledConnection } | Failed;

function isUdp(stream: Stream): boolean {
  return headerValue(stream.request, ":protocol") === UDP_PROTOCOL &&
    headerValue(stream.request, ":method") === "CONNECT";
}

const NO_HEADERS: readonly Header[] = [];

/** The gateway's hello, if the laptop sent its own; `mismatch` when they have no version in common. */
function greet(stream: Stream): { readonly answer: readonly Header[]; readonly mismatch?: string } {
  const said = headerValue(stream.request, headers.hello);
  if (said === undefined) return { answer: NO_HEADERS };
  const answer: Header[] = [[headers.hello, JSON.stringify(hello)]];
  try {
    agree(hello, parseHello(JSON.parse(said)));
    return { answer };
  } catch (error) {
    const mismatch = error instanceof HelloMismatch ? error.message : "the hello is not valid JSON";
    return { answer, mismatch };
  }
}
