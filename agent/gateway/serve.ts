import { headerValue } from "../../hbone/frames/header.ts";
import { relay } from "../../hbone/relay/relay.ts";
import type { Header } from "../../hbone/frames/header.ts";
import type { Stream } from "../../hbone/streams/stream.ts";
import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import { agree, type Hello, HelloMismatch, parseHello } from "../../wire/hello.ts";
import {
  formatProxyStatus,
  headers,
  HELLO_PROTOCOL,
  type ProxyError,
  proxyErrors,
  tunnelVersions,
} from "../../wire/streams.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { RELEASE } from "../../wire/version.ts";
import { dialErrorType } from "./dial_error.ts";
import { decide, type Targets } from "./policy.ts";
import type { Range } from "../../net/range.ts";
import type { Dial } from "./dial.ts";

/** Milliseconds, and numbers over all tunnels of a gateway. */
export const limits = {
  /** A dial is given up. */
  dialMs: 10_000,
  /** How long an address that isn't known yet may take to become known: a Service may be younger than the last event. */
  learnMs: 1_000,
  /** How long streams of a gateway that has just started wait for its first lists. */
  listMs: 5_000,
  dials: 1_024,
  streams: 16_384,
  /** Streams that wait for their address to become known. */
  learning: 256,
} as const;

/** The gateway's side of a tunnel's hello. */
export const hello: Hello = {
  protocol: "tunnel",
  version: tunnelVersions.newest,
  oldest: tunnelVersions.oldest,
  features: [],
  release: RELEASE,
};

/** Targets that change. */
export interface LearningTargets extends Targets {
  /** Whether Services, pods and nodes have all been listed once; waits for it so many milliseconds. Before that nothing is dialled. */
  completed(ms: number, signal: AbortSignal): Promise<boolean>;
  learn(address: string, ms: number, signal: AbortSignal): Promise<void>;
}

export interface Parts {
  readonly targets: LearningTargets;
  readonly dial: Dial;
  /** Allowed at deployment. */
  readonly ranges: readonly Range[];
  readonly limits?: Partial<Record<keyof typeof limits, number>>;
}

/** How a stream ended, for the log: nothing of what it carried. */
export interface StreamEnd {
  readonly target: string;
  readonly error?: ProxyError | "broken";
  readonly details?: string;
  readonly out: number;
  readonly in: number;
}

/** Answers the streams of all tunnels of a gateway: what each is for, whether it may, the dial, and what it carries. */
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

  /** Serves a stream until it's over; never rejects. */
  async serve(stream: Stream): Promise<StreamEnd> {
    const target = headerValue(stream.request, ":authority") ?? "";
    if (this.#streams >= this.#limits.streams) {
      return refuse(
        stream,
        target,
        "connection_limit_reached",
        `${this.#limits.streams} connections are open`,
      );
    }
    this.#streams++;
    try {
      return await this.#answer(stream, target);
    } catch (error) {
      stream.abort(error instanceof Error ? error : undefined);
      return { target, error: "broken", details: String(error), out: 0, in: 0 };
    } finally {
      this.#streams--;
    }
  }

  async #answer(stream: Stream, target: string): Promise<StreamEnd> {
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
    if (method !== "CONNECT" || protocol !== undefined) {
      const what = protocol === undefined ? `method ${method}` : `protocol ${protocol}`;
      return refuse(
        stream,
        target,
        "http_request_error",
        `this gateway doesn't know the ${what}`,
        greeting.answer,
      );
    }
    const reached = await this.#reachFor(stream, target);
    if ("error" in reached) return refuse(stream, target, reached.error, reached.details, greeting.answer);
    stream.respond([[":status", "200"], ...greeting.answer]);
    const { aToB, bToA, error } = await relay(stream, reached.connection);
    const end = { target, out: aToB, in: bToA };
    return error === undefined ? end : { ...end, error: "broken", details: error.message };
  }

  /** Reaches a target for as long as the stream wants it. */
  async #reachFor(stream: Stream, target: string): Promise<Reached> {
    using wanted = new Wanted(stream);
    const reached = await this.#reach(target, wanted.signal);
    if (!wanted.signal.aborted || "error" in reached) return reached;
    reached.connection.abort();
    throw GIVEN_UP;
  }

  async #reach(authority: string, signal: AbortSignal): Promise<Reached> {
    const { targets, ranges } = this.#parts;
    if (!await targets.completed(this.#limits.listMs, signal)) {
      return failed(
        "destination_unavailable",
        "the gateway could not list the cluster's Services, pods and nodes yet",
      );
    }
    let verdict = decide(authority, targets, ranges);
    if (verdict.kind === "unknown" && this.#learning < this.#limits.learning) {
      this.#learning++;
      const address = verdict.endpoint.address.text;
      await targets.learn(address, this.#limits.learnMs, signal).finally(() => this.#learning--);
      verdict = decide(authority, targets, ranges);
    }
    if (verdict.kind !== "dial") return failed(verdict.error, verdict.why);
    return await this.#dial(verdict.endpoint, signal);
  }

  async #dial(endpoint: Endpoint, signal: AbortSignal): Promise<Reached> {
    if (this.#dials >= this.#limits.dials) {
      return failed("connection_limit_reached", `${this.#limits.dials} dials are under way`);
    }
    this.#dials++;
    try {
      const connection = await this.#parts.dial(endpoint, { timeoutMs: this.#limits.dialMs, signal });
      return { connection };
    } catch (error) {
      const where = formatEndpoint(endpoint.address.text, endpoint.port);
      return failed(
        dialErrorType(error),
        `dialling ${where}: ${error instanceof Error ? error.message : error}`,
      );
    } finally {
      this.#dials--;
    }
  }
}

type Reached = { readonly connection: AbortableTransport } | {
  readonly error: ProxyError;
  readonly details: string;
};

function failed(error: ProxyError, details: string): Reached {
  return { error, details };
}

/** One for all: making an error costs more than the rest of a short stream's life here. */
const GIVEN_UP = new Error("the laptop gave it up");

/** Its signal is aborted when the stream ends while something is being done for it: until this is disposed of. */
class Wanted implements Disposable {
  readonly #controller = new AbortController();
  #over = false;

  constructor(stream: Stream) {
    stream.closed.then(() => this.#over || this.#controller.abort(GIVEN_UP));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#over = true;
  }
}

/** The gateway's hello, where the laptop said its own; `mismatch` when they don't agree. */
function greet(stream: Stream): { readonly answer: readonly Header[]; readonly mismatch?: string } {
  const said = headerValue(stream.request, headers.hello);
  if (said === undefined) return { answer: [] };
  const answer: Header[] = [[headers.hello, JSON.stringify(hello)]];
  try {
    agree(hello, parseHello(JSON.parse(said)));
    return { answer };
  } catch (error) {
    const mismatch = error instanceof HelloMismatch ? error.message : "the hello is no JSON";
    return { answer, mismatch };
  }
}

function refuse(
  stream: Stream,
  target: string,
  error: ProxyError,
  details: string,
  more: readonly Header[] = [],
): StreamEnd {
  const status: Header = [":status", String(proxyErrors[error])];
  const why: Header = [headers.proxyStatus, formatProxyStatus("pmz-gateway", error, details)];
  stream.respond([status, why, ...more], { end: true });
  // Whatever the laptop sent with its CONNECT is of no use; what it hasn't sent yet, it needn't.
  stream.close();
  return { target, error, details, out: 0, in: 0 };
}
