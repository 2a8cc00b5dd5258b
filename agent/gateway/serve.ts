import { ErrorCode, errorName, type Header, headerValue, relay, type Stream } from "../../hbone/mod.ts";
import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import { parseFlowId } from "../../wire/flow.ts";
import { agree, type Hello, HelloMismatch, helloOf, parseHello } from "../../wire/hello.ts";
import {
  formatProxyStatus,
  headers,
  HELLO_PROTOCOL,
  type ProxyError,
  proxyErrors,
  UDP_PROTOCOL,
} from "../../wire/streams.ts";
import { dialErrorType, reasonOf } from "./dial_error.ts";
import { decide, type Targets } from "./policy.ts";
import type { Range } from "../../net/range.ts";
import type { DialledConnection, DialTarget } from "./dial.ts";
import type { UdpFlows } from "./udp_flows.ts";

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

/** Targets that watches keep up to date. */
export interface LearningTargets extends Targets {
  /** Waits at most so many milliseconds until Services, pods and nodes have been listed; nothing is dialled before. */
  completed(ms: number, signal: AbortSignal): Promise<boolean>;
  /** Waits at most so many milliseconds until the address is known. */
  learn(address: string, ms: number, signal: AbortSignal): Promise<void>;
}

export interface Parts {
  readonly targets: LearningTargets;
  readonly dial: DialTarget;
  readonly udp: Pick<UdpFlows, "carry" | "size">;
  /** Allowed at deployment. */
  readonly ranges: readonly Range[];
  readonly limits?: Partial<Record<keyof typeof limits, number>>;
}

/** How a stream ended, for the log: nothing of what it carried. */
export interface ServedEnd {
  readonly target: string;
  /** Why it failed; undefined when it was carried to its end. */
  readonly error?: ProxyError | "broken";
  readonly details?: string;
  /** Whose end broke, of a connection that broke. */
  readonly by?: "laptop" | "target";
  /** The flow's id, as the laptop logs it. Only of streams that failed. */
  readonly flow?: string;
  /** Our end of the connection to the target, which a relay logs as its caller. Only of connections that broke. */
  readonly local?: string;
  readonly out: number;
  readonly in: number;
}

/** Answers the streams of all tunnels: decides whether a target may be dialled, dials it, and carries the bytes. */
export class StreamServer {
  readonly #parts: Parts;
  readonly #limits: Record<keyof typeof limits, number>;
  #streams = 0;
  #dials = 0;
  #learning = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#limits = { ...limits, ...parts.limits };
  }

  /** Streams open now. */
  get streams(): number {
    return this.#streams;
  }

  /** Serves a stream to its end; never rejects. */
  async serve(stream: Stream): Promise<ServedEnd> {
    const target = headerValue(stream.request, ":authority") ?? "";
    const end = await this.#serve(stream, target);
    if (end.error === undefined) return end;
    const flow = parseFlowId(headerValue(stream.request, headers.flow));
    return flow === undefined ? end : { ...end, flow };
  }

  async #serve(stream: Stream, target: string): Promise<ServedEnd> {
    if (this.#streams >= this.#limits.streams) {
      const details = `${this.#limits.streams} connections are open`;
      return refuse(stream, target, "connection_limit_reached", details);
    }
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
      return refuse(stream, target, "http_request_error", greeting.mismatch, greeting.answer);
    }
    const method = headerValue(stream.request, ":method");
    const protocol = headerValue(stream.request, ":protocol");
    if (method === "CONNECT" && protocol === HELLO_PROTOCOL) {
      stream.respond([[":status", "200"], ...greeting.answer], { end: true });
      stream.close();
      return { target, out: 0, in: 0 };
    }
    if (method !== "CONNECT" || protocol !== undefined && protocol !== UDP_PROTOCOL) {
      const what = protocol === undefined ? `method ${method}` : `protocol ${protocol}`;
      const details = `this gateway doesn't support the ${what}`;
      return refuse(stream, target, "http_request_error", details, greeting.answer);
    }
    if (protocol === UDP_PROTOCOL) return await this.#answerUdp(stream, target, greeting.answer);
    const reached = await this.#whileOpen(stream, (signal) => this.#reach(target, signal));
    if ("error" in reached) return refuse(stream, target, reached.error, reached.details, greeting.answer);
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

  async #answerUdp(stream: Stream, target: string, answer: readonly Header[]): Promise<ServedEnd> {
    const { udp } = this.#parts;
    const allowed = await this.#whileOpen(stream, (signal) => this.#allow(target, signal));
    if ("error" in allowed) return refuse(stream, target, allowed.error, allowed.details, answer);
    if (udp.size >= this.#limits.udpFlows) {
      const details = `${this.#limits.udpFlows} UDP flows are open`;
      return refuse(stream, target, "connection_limit_reached", details, answer);
    }
    const refuseIt = (error: unknown) => {
      const { error: kind, details } = unreached(allowed.endpoint, error, "can't send to");
      return refuse(stream, target, kind, details, answer);
    };
    try {
      const { end, error, out, in: back } = await udp.carry(stream, allowed.endpoint, answer, refuseIt);
      const carried = { target, out, in: back };
      if (error !== undefined) return { ...carried, ...unreached(allowed.endpoint, error, "can't send to") };
      if (end.kind === "broken") {
        return { ...carried, error: "broken", details: end.error.message, by: "laptop" };
      }
      if (end.kind === "clean" || end.code === ErrorCode.NO_ERROR) return carried;
      const details = `reset by ${end.by === "us" ? "this end" : "the laptop"} (${errorName(end.code)})`;
      return { ...carried, error: "broken", details, by: "laptop" };
    } catch (error) {
      return refuseIt(error); // no socket
    }
  }

  /** Waits for something for as long as the stream is open. @throws CANCELLED when it closes before */
  async #whileOpen<Result extends Allowed | Reached>(
    stream: Stream,
    find: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    using pending = new PendingStream(stream);
    const found = await find(pending.signal);
    if (!pending.signal.aborted || "error" in found) return found;
    if ("connection" in found) found.connection.abort();
    throw CANCELLED;
  }

  async #reach(authority: string, signal: AbortSignal): Promise<Reached> {
    const allowed = await this.#allow(authority, signal);
    return "error" in allowed ? allowed : await this.#dial(allowed.endpoint, signal);
  }

  /** Decides whether a target may be dialled; waits a moment for one that isn't known yet. */
  async #allow(authority: string, signal: AbortSignal): Promise<Allowed> {
    const { targets, ranges } = this.#parts;
    if (!await targets.completed(this.#limits.listMs, signal)) {
      return failed(
        "destination_unavailable",
        "the gateway has not listed the cluster's Services, pods and nodes yet",
      );
    }
    let verdict = decide(authority, targets, ranges);
    if (verdict.kind === "unknown" && this.#learning < this.#limits.learning) {
      this.#learning++;
      const address = verdict.endpoint.address.text;
      await targets.learn(address, this.#limits.learnMs, signal).finally(() => this.#learning--);
      verdict = decide(authority, targets, ranges);
    }
    return verdict.kind === "dial" ? { endpoint: verdict.endpoint } : failed(verdict.error, verdict.why);
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

/** Why a target isn't reached. */
interface Failed {
  readonly error: ProxyError;
  readonly details: string;
}

type Allowed = { readonly endpoint: Endpoint } | Failed;
type Reached = { readonly connection: DialledConnection } | Failed;

function failed(error: ProxyError, details: string): Failed {
  return { error, details };
}

function unreached({ address, port }: Endpoint, error: unknown, what: string): Failed {
  return failed(dialErrorType(error), `${what} ${formatEndpoint(address.text, port)}: ${reasonOf(error)}`);
}

/** Made once: creating an error costs more than the rest of a short stream's life here. */
const CANCELLED = new Error("the laptop closed the stream before the target answered");

/** A stream that waits for its target: the signal is aborted when it closes before this is disposed of. */
class PendingStream implements Disposable {
  readonly #controller = new AbortController();
  #settled = false;

  constructor(stream: Stream) {
    stream.closed.then(() => this.#settled || this.#controller.abort(CANCELLED));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#settled = true;
  }
}

/** The gateway's hello, if the laptop sent its own; `mismatch` when they have no version in common. */
function greet(stream: Stream): { readonly answer: readonly Header[]; readonly mismatch?: string } {
  const said = headerValue(stream.request, headers.hello);
  if (said === undefined) return { answer: [] };
  const answer: Header[] = [[headers.hello, JSON.stringify(hello)]];
  try {
    agree(hello, parseHello(JSON.parse(said)));
    return { answer };
  } catch (error) {
    const mismatch = error instanceof HelloMismatch ? error.message : "the hello is not valid JSON";
    return { answer, mismatch };
  }
}

function refuse(
  stream: Stream,
  target: string,
  error: ProxyError,
  details: string,
  more: readonly Header[] = [],
): ServedEnd {
  const status: Header = [":status", String(proxyErrors[error])];
  const why: Header = [headers.proxyStatus, formatProxyStatus("pmz-gateway", error, details)];
  stream.respond([status, why, ...more], { end: true });
  // What the laptop sent with its CONNECT is dropped, and it need not send more.
  stream.close();
  return { target, error, details, out: 0, in: 0 };
}
