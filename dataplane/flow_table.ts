/**
 * The flows of a data worker: those that are open, and the last ones that failed. On the way of every connection: one
 * object each, and no text before somebody looks. Bytes are read from the flow's stream, which counts them anyway.
 */
import { formatEndpoint } from "../net/address.ts";
import type { ConnectionEnds, Program, SocketPrograms } from "../ffi/proc/socket_program.ts";
import type { BreakListener } from "../hbone/mod.ts";
import { FAILED_FLOWS_KEPT, type Flow, flowIds, isFailure, type Outcome } from "../wire/flow.ts";

/** Open flows whose programs are looked up when somebody looks. */
const MOST_PROGRAMS = 1_000;

/** Finds the programs at the far ends of connections. */
export type FindPrograms = Pick<SocketPrograms, "find" | "findAll">;

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
  readonly from: ConnectionEnds | string;
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
  socket: ConnectionEnds | undefined;
  program: Program | undefined;
  readonly #start: FlowStart;
  readonly #programs: FindPrograms;

  constructor(id: string, start: FlowStart, programs: FindPrograms) {
    this.id = id;
    this.#start = start;
    this.#programs = programs;
    this.socket = typeof start.from === "string" ? undefined : start.from;
  }

  /** Looks the program up while its socket is still there. */
  breaking(): void {
    if (this.socket !== undefined) this.program ??= this.#programs.find(this.socket);
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
  readonly #programs: FindPrograms;
  readonly #nextId = flowIds();

  constructor(events: FlowEvents, programs: FindPrograms) {
    this.#events = events;
    this.#programs = programs;
  }

  begin(start: FlowStart): OpenFlow {
    const flow = new OpenFlow(start.id ?? this.#nextId(), start, this.#programs);
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
  async flows(): Promise<Flow[]> {
    const unknown = [...this.#open].filter((flow) => flow.program === undefined && flow.socket !== undefined)
      .slice(0, MOST_PROGRAMS);
    const sockets = unknown.flatMap(({ socket }) => socket === undefined ? [] : [socket]);
    const programs = await this.#programs.findAll(sockets);
    unknown.forEach((flow, i) => flow.program = programs[i]);
    return [...this.#failed, ...[...this.#open].map((open) => open.as({ kind: "open" }))];
  }
}
