/**
 * The flows of a data worker: those that are open, and the last ones that failed. On the way of every connection: one
 * object each, and no text before somebody looks. Bytes are read from the flow's stream, which counts them anyway.
 */
import { type Endpoint, formatEndpoint } from "../net/address.ts";
import type { BreakListener } from "../hbone/mod.ts";
import { FAILED_FLOWS_KEPT, type Flow, flowIds, isFailure, type Outcome } from "../wire/flow.ts";

export type Program = NonNullable<Flow["program"]>;

/** Both ends of a connection of this process. */
export interface SocketEnds {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** Finds the program at the far end of a connection on this laptop, in bounded time. */
export type FindProgram = (socket: SocketEnds) => Program | undefined;

/** What is told of flows. */
export interface FlowEvents {
  /** A flow has failed. */
  failed(flow: Flow): void;
  /** A flow has ended, failed or not; only called while somebody follows. */
  ended(flow: Flow): void;
}

/** What is known of a flow when it begins. */
export interface FlowStart {
  readonly kind: Flow["kind"];
  readonly cluster: string;
  /** The address that was dialled: "10.96.12.7:8080". */
  readonly to: string;
  /** This process's connection with who opened it at the far end, or a caller elsewhere, as text. */
  readonly from: SocketEnds | string;
  readonly intercept?: string;
  /** The id that a peer gave it. */
  readonly id?: string;
}

/** A flow that is open. */
export class OpenFlow implements BreakListener {
  readonly id: string;
  readonly started = Date.now();
  /** The stream that carries it, which counts its bytes; undefined until there is one. */
  stream: { readonly sent: number; readonly received: number } | undefined;
  /** This process's connection with the program at its far end; undefined until there is one. */
  socket: SocketEnds | undefined;
  program: Program | undefined;
  readonly #start: FlowStart;
  readonly #find: FindProgram;

  constructor(id: string, start: FlowStart, find: FindProgram) {
    this.id = id;
    this.#start = start;
    this.#find = find;
    this.socket = typeof start.from === "string" ? undefined : start.from;
  }

  /** Looks the program up while its socket is still there. */
  breaking(): void {
    if (this.socket !== undefined) this.program ??= this.#find(this.socket);
  }

  /** As others see it. */
  as(outcome: Outcome): Flow {
    const { kind, cluster, to, from, intercept } = this.#start;
    const [out, back] = [this.stream?.sent ?? 0, this.stream?.received ?? 0];
    const inward = kind === "intercepted";
    return {
      id: this.id,
      kind,
      protocol: "tcp",
      from: typeof from === "string" ? from : formatEndpoint(from.remote.address.text, from.remote.port),
      ...(this.program === undefined ? {} : { program: this.program }),
      to,
      cluster,
      ...(intercept === undefined ? {} : { intercept }),
      started: new Date(this.started).toISOString(),
      ...(outcome.kind === "open" ? {} : { ms: Date.now() - this.started }),
      sent: inward ? back : out,
      received: inward ? out : back,
      outcome,
    };
  }
}

export class FlowTable {
  /** Whether `ended` is told of flows. */
  followed = false;
  readonly #open = new Set<OpenFlow>();
  /** The oldest first. */
  readonly #failed: Flow[] = [];
  readonly #events: FlowEvents;
  readonly #find: FindProgram;
  readonly #nextId = flowIds();

  constructor(events: FlowEvents, find: FindProgram) {
    this.#events = events;
    this.#find = find;
  }

  begin(start: FlowStart): OpenFlow {
    const flow = new OpenFlow(start.id ?? this.#nextId(), start, this.#find);
    this.#open.add(flow);
    return flow;
  }

  /** Takes down how a flow ended. Of one that failed this should come before its sockets are closed. */
  end(open: OpenFlow, outcome: Outcome): void {
    if (!this.#open.delete(open)) return;
    const failed = isFailure(outcome);
    if (!failed && !this.followed) return;
    if (failed) open.breaking();
    const flow = open.as(outcome);
    if (this.followed) this.#events.ended(flow);
    if (!failed) return;
    if (this.#failed.push(flow) > FAILED_FLOWS_KEPT) this.#failed.shift();
    this.#events.failed(flow);
  }

  /** The flows that are open, and the last ones that failed. */
  flows(): Flow[] {
    return [...this.#failed, ...[...this.#open].map((open) => open.as({ kind: "open" }))];
  }
}
