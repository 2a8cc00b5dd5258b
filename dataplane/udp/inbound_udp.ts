/** In: an intercepted UDP flow, from the relay's stream to its end. */
import type { ConnectionEnds } from "../../ffi/proc/socket_program.ts";
import type { SystemCallError } from "../../ffi/libc.ts";
import { ErrorCode, type Stream, type StreamEnd } from "../../hbone/mod.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { type Clock, systemClock } from "../../async/clock.ts";
import { formatEndpoint } from "../../net/address.ts";
import type { Outcome } from "../../wire/flow.ts";
import { headers } from "../../wire/streams.ts";
import { inboundFlow, type InboundFlowParts } from "../inbound_flow.ts";
import type { OpenFlow } from "../flow_table.ts";
import { LocalRefusal } from "../local_target.ts";
import type { Intercepted } from "../local_targets.ts";
import { brokenTunnel } from "../tunnel/broken_tunnel.ts";
import { findUdpProgram } from "./local_program.ts";
import { type ProgramEvents, ProgramSocket } from "./program_socket.ts";
import type { ReceiveBuffers } from "./receive_buffers.ts";

/**
 * Milliseconds of silence in both directions after which a flow ends: more than the 120 s of RFC 4787 §4.3, after which the relay ends
 * it, so that this end does it only where the relay is gone.
 */
const IDLE_MS = 150_000;
const ECONNREFUSED = 111;

/** A socket that is connected to the program. */
export interface Program extends Disposable {
  readonly ends: ConnectionEnds;
  send(payload: Uint8Array): void;
}

/** Opens a socket to the program. @throws {LocalRefusal} */
export type OpenProgram = (
  target: { readonly host: string; readonly port: number },
  events: ProgramEvents,
) => Promise<Program>;

/** What an inbound flow needs. */
export interface InboundUdpParts extends InboundFlowParts {
  readonly open: OpenProgram;
  readonly clock?: Clock;
}

/**
 * Carries an intercepted UDP flow to the program on this laptop: stream -> rule -> a socket of its own, so that the program tells
 * callers apart by their ports. A flow that leads nowhere is refused with the reason.
 */
export async function inboundUdp(stream: Stream, parts: InboundUdpParts): Promise<Outcome> {
  return await inboundFlow(
    stream,
    "udp",
    parts,
    (intercepted, flow) => carry(stream, intercepted, flow, parts),
  );
}

async function carry(
  stream: Stream,
  intercepted: Intercepted,
  flow: OpenFlow,
  { open, clock = systemClock }: InboundUdpParts,
): Promise<Outcome> {
  const { host, localPort: port } = intercepted.target;
  let datagrams: DatagramStream | undefined;
  let failure: Outcome | undefined;
  let used = clock.now();
  const received = (payload: Uint8Array) => {
    used = clock.now();
    datagrams?.send(payload);
  };
  const failed = (error: SystemCallError) => {
    failure ??= outcomeOfFailure(
      error,
      `${formatEndpoint(host, port)} on the laptop`,
      datagrams?.bytesSent ?? 0,
    );
    datagrams?.abort(error);
  };
  using program = await open({ host, port }, { received, failed });
  flow.socket = program.ends;
  intercepted.begin();
  try {
    stream.respond([[":status", "200"], [headers.capsuleProtocol, "?1"]]);
    datagrams = new DatagramStream(stream, (payload) => {
      used = clock.now();
      program.send(payload);
    });
    if (failure !== undefined) datagrams.abort(); // by the first datagram, which had come already
    using _idle = whenIdle(clock, () => used, () => datagrams?.close());
    const end = await datagrams.ended;
    if (failure !== undefined) flow.breaking(); // while its program's socket is known
    return failure ?? outcomeOf(end);
  } finally {
    intercepted.end();
  }
}

/** Calls `idle` once nothing was used for {@linkcode IDLE_MS}. */
function whenIdle(clock: Clock, used: () => number, idle: () => void): Disposable {
  let next: Disposable;
  const look = () => {
    const left = used() + IDLE_MS - clock.now();
    if (left > 0) next = clock.after(left, look);
    else idle();
  };
  next = clock.after(IDLE_MS, look);
  return { [Symbol.dispose]: () => next[Symbol.dispose]() };
}

/** What opens a socket of its own for each flow. @param buffers those of the flows together */
export function programOpener(buffers: ReceiveBuffers): OpenProgram {
  return async ({ host, port }, events) => {
    const address = await findUdpProgram(host, port);
    try {
      return new ProgramSocket({ address, port }, buffers, events);
    } catch (error) {
      throw new LocalRefusal(
        "destination_ip_unroutable",
        `${formatEndpoint(host, port)} on the laptop: ${error instanceof Error ? error.message : error}`,
      );
    }
  };
}

/** @param answered bytes that the program has answered */
function outcomeOfFailure(error: SystemCallError, where: string, answered: number): Outcome {
  const isRefused = error.errno === ECONNREFUSED;
  if (answered > 0) {
    return { kind: "reset", by: "server", details: `the program at ${where} gets datagrams no longer` };
  }
  return {
    kind: "refused",
    by: "program",
    error: isRefused ? "connection_refused" : "destination_ip_unroutable",
    details: isRefused ? `no program gets datagrams at ${where}` : `${where}: ${error.message}`,
  };
}

function outcomeOf(end: StreamEnd): Outcome {
  if (end.kind === "clean") return { kind: "done" };
  if (end.kind === "broken") {
    return { kind: "reset", by: "tunnel", details: brokenTunnel(end.error, "node agent") };
  }
  if (end.by === "us" || end.code === ErrorCode.NO_ERROR || end.code === ErrorCode.CANCEL) {
    return { kind: "done" };
  }
  return { kind: "reset", by: "tunnel", details: "the node agent reset the flow" };
}
