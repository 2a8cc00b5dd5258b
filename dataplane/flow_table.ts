/**
 * The flows of a data worker: those that are open, and the last ones that failed. Every connection passes here, so it gets
 * one object, whose texts are made only when they are read. Its bytes are read from the stream, which counts them anyway.
 */
import { formatEndpoint } from "../net/address.ts";
import type { ConnectionEnds, Program, SocketPrograms } from "../ffi/proc/socket_program.ts";
import { type Clock, systemClock } from "../async/clock.ts";
import type { BreakListener } from "../hbone/mod.ts";
import { FAILED_FLOWS_KEPT, type Flow, flowIds, isFailure, type Outcome } from "../wire/flow.ts";
import { FoldedFlows } from "./folded_flows.ts";
import { ProgramWatch, type WatchedFlow } from "./program_watch.ts";
import type { FailedFlows, Place, RefusedAttempts, WorkerFlows } from "./protocol.ts";
import { RefusedFlows } from "./refused_flows.ts";

/** Open flows whose programs are looked up when flows are listed. */
const MOST_PROGRAMS = 1_000;

/** Finds the programs at the far ends of connections. */
export type FindPrograms = Pick<SocketPrograms, "find" | "findAll">;

/** What the table reports. */
export interface FlowEvents {
  /** A flow has failed. */
  failed(flow: Flow): void;
  /** The laptop's kernel has refused connections: the first of equal ones, or more of them some time later. */
  refused(flow: Flow): void;
  /** A flow has ended, failed or not; only called while somebody follows. */
  ended(flow: Flow): void;
}

/** A flow at its beginning. */
export interface FlowStart {
  readonly kind: Flow["kind"];
  /** TCP when absent. */
  readonly protocol?: Flow["protocol"];
  readonly cluster: string;
  /** The address that was dialled: "10.96.12.7:8080". */
  readonly to: string;
  /** As in a Flow. */
  readonly virtual?: string;
  /** The connection at whose far end the opener is, or the address of a caller elsewhere. */
  readonly from: ConnectionEnds | string;
  readonly intercept?: string;
  /** The id that relay has given it; a new one when absent. */
  readonly id?: string;
}

/** What carries a flow. */
export interface FlowStream {
  readonly sent: number;
  readonly received: number;
  /** Datagrams that found no room. */
  readonly dropped?: number;
  abort(reason?: Error): void;
}

/** A flow that is open. */
export class OpenFlow implements BreakListener, WatchedFlow {
  readonly id: string;
  readonly started = Date.now();
  /** The stream that carries it, which counts its bytes; undefined until there is one. */
  stream: FlowStream | undefined;
  /** Why pmz has broken it off, where it has. */
  #rerouted: string | undefined;
  /** The connection at whose far end the program is; undefined until there is one. */
  socket: ConnectionEnds | undefined;
  program: Program | undefined;
  looks: 0 | 1 | 2 = 0;
  /** Whether the program was searched when the flow broke: once is enough. */
  #searched = false;
  readonly #kind: Flow["kind"];
  readonly #protocol: Flow["protocol"];
  readonly #cluster: string;
  readonly #to: string;
  readonly #virtual: string | undefined;
  readonly #from: ConnectionEnds | string;
  readonly #intercept: string | undefined;
  readonly #programs: FindPrograms;

  constructor(id: string, start: FlowStart, programs: FindPrograms) {
    const { kind, protocol = "tcp", cluster, to, virtual, from, intercept } = start;
    this.id = id;
    this.#kind = kind;
    this.#protocol = protocol;
    this.#cluster = cluster;
    this.#to = to;
    this.#virtual = virtual;
    this.#from = from;
    this.#intercept = intercept;
    this.#programs = programs;
    this.socket = typeof from === "string" ? undefined : from;
  }

  /** Looks the program up while its socket is still there. */
  breaking(): void {
    if (this.socket === undefined || this.#searched) return;
    this.#searched = true;
    this.program ??= this.#programs.find(this.socket);
  }

  /** Whether it is a TCP connection of this laptop to one of these places of a cluster, as `to` has them. */
  leadsTo(cluster: string, places: ReadonlySet<string>): boolean {
    return this.#kind !== "intercepted" && this.#protocol === "tcp" && this.#cluster === cluster &&
      places.has(this.#to);
  }

  /** Breaks it off: its program connects again, and that connection leads elsewhere. */
  reroute(details: string): void {
    this.#rerouted = details;
    this.breaking();
    this.stream?.abort(new Error(details));
  }

  /** How it ended, by what its relay has seen. */
  ended(outcome: Outcome): Outcome {
    return this.#rerouted === undefined ? outcome : { kind: "reset", by: "laptop", details: this.#rerouted };
  }

  /** The flow as it is listed. */
  as(outcome: Outcome): Flow {
    const from = this.#from;
    const [out, back] = [this.stream?.sent ?? 0, this.stream?.received ?? 0];
    const dropped = this.stream?.dropped ?? 0;
    const inward = this.#kind === "intercepted";
    return {
      id: this.id,
      kind: this.#kind,
      protocol: this.#protocol,
      from: typeof from === "string" ? from : formatEndpoint(from.remote.address.text, from.remote.port),
      ...(this.program === undefined ? {} : { program: this.program }),
      to: this.#to,
      ...(this.#virtual === undefined ? {} : { virtual: this.#virtual }),
      cluster: this.#cluster,
      ...(this.#intercept === undefined ? {} : { intercept: this.#intercept }),
      started: new Date(this.started).toISOString(),
      ...(outcome.kind === "open" ? {} : { ms: Date.now() - this.started }),
      sent: inward ? back : out,
      received: inward ? out : back,
      ...(dropped === 0 ? {} : { dropped }),
      outcome,
    };
  }
}

export class FlowTable {
  /** Whether ended flows are reported. */
  followed = false;
  readonly #open = new Set<OpenFlow>();
  readonly #failed = new FoldedFlows(FAILED_FLOWS_KEPT);
  readonly #refused = new RefusedFlows();
  readonly #events: FlowEvents;
  readonly #programs: FindPrograms;
  readonly #watch: ProgramWatch;
  readonly #nextId = flowIds();

  constructor(events: FlowEvents, programs: FindPrograms, clock: Clock = systemClock) {
    this.#events = events;
    this.#programs = programs;
    this.#watch = new ProgramWatch(this.#open, programs, clock);
  }

  /** The last ones that failed, the oldest first. */
  get failed(): FailedFlows {
    return { failed: this.#failed.flows, refused: this.#refused.flows };
  }

  begin(start: FlowStart): OpenFlow {
    const flow = new OpenFlow(start.id ?? this.#nextId(), start, this.#programs);
    this.#open.add(flow);
    this.#watch.begin();
    return flow;
  }

  /** Records how a flow ended, once. A failed one is recorded before its sockets are closed, or its program isn't found. */
  end(open: OpenFlow, as: Outcome): void {
    if (!this.#open.delete(open)) return;
    const outcome = open.ended(as);
    if (this.#open.size === 0) this.#watch.end();
    const failed = isFailure(outcome);
    if (!failed && !this.followed) return;
    if (failed) open.breaking();
    const flow = open.as(outcome);
    if (this.followed) this.#events.ended(flow);
    if (!failed) return;
    this.#failed.add(flow);
    this.#events.failed(flow);
  }

  /** Breaks off the connections of this laptop to these places of a cluster. */
  reroute(cluster: string, places: readonly Place[], details: string): void {
    const wanted = new Set(places.map(({ address, port }) => formatEndpoint(address, port)));
    if (wanted.size === 0) return;
    for (const flow of this.#open) if (flow.leadsTo(cluster, wanted)) flow.reroute(details);
  }

  /** Records connections that the laptop's kernel refused. */
  refuse(attempts: RefusedAttempts): void {
    const { flow, added, isReported } = this.#refused.add(attempts, this.#nextId);
    if (this.followed) this.#events.ended(added);
    if (isReported) this.#events.refused(flow);
  }

  /** The flows that are open, and the last ones that failed. */
  async flows(): Promise<WorkerFlows> {
    const unknown = [...this.#open].filter((flow) => flow.program === undefined && flow.socket !== undefined)
      .slice(0, MOST_PROGRAMS);
    const sockets = unknown.flatMap(({ socket }) => socket === undefined ? [] : [socket]);
    const programs = await this.#programs.findAll(sockets);
    unknown.forEach((flow, i) => flow.program = programs[i]);
    return { ...this.failed, open: Array.from(this.#open, (open) => open.as({ kind: "open" })) };
  }
}
