import { ConnectRefused, ErrorCode, type RelayEnd, type StreamEnd, StreamReset } from "../hbone/mod.ts";
import type { Outcome } from "../wire/flow.ts";
import type { ProxyError } from "../wire/streams.ts";
import { ProxyTargetError } from "./proxy/target.ts";
import { AnswerError } from "./proxy/upstream.ts";
import { LocalRefusal } from "./local_target.ts";
import { brokenTunnel } from "./tunnel/broken_tunnel.ts";
import { NoTunnel } from "./tunnel/no_tunnel.ts";
import { refusalOf, TargetRefused } from "./tunnel/connect_stream.ts";

const DONE: Outcome = { kind: "done" };
/** The helper closes a captured connection's sockets when it releases the address, and its janitor when the helper has ended. */
export const RELEASED =
  "its address is captured no longer: its Service or pod is gone, this machine uses it, or the helper ended";

/**
 * How a relay between a socket of this laptop (`a`) and a stream of a tunnel (`b`) ended.
 * @param opener which of the two opened the flow
 */
export function outcomeOf({ error, brokenBy }: RelayEnd, opener: "socket" | "stream"): Outcome {
  if (error === undefined) return DONE;
  if (error instanceof ConnectRefused) return outcomeOfError(refusalOf(error.headers));
  if (brokenBy === "a") {
    if (opener === "socket" && error instanceof Deno.errors.ConnectionAborted) {
      return { kind: "reset", by: "laptop", details: RELEASED };
    }
    return { kind: "reset", by: opener === "socket" ? "client" : "server", details: inWords(error) };
  }
  return brokenStream(error, opener === "socket" ? "server" : "client");
}

/** How a flow ended that was not relayed, by the error that prevented it. */
export function outcomeOfError(error: unknown): Outcome {
  if (error instanceof NoTunnel) return { kind: "no-tunnel", details: error.message };
  if (error instanceof TargetRefused) return refused("gateway", error.kind, error.message);
  if (error instanceof LocalRefusal) {
    return refused(
      error.kind === "destination_ip_prohibited" ? "laptop" : "program",
      error.kind,
      error.message,
    );
  }
  if (error instanceof AnswerError) return { kind: "reset", by: "server", details: error.message };
  if (error instanceof ProxyTargetError) return refused("laptop", error.kind, error.message);
  if (error instanceof StreamReset) return brokenStream(error, "server");
  return refused("laptop", "proxy_internal_error", error instanceof Error ? error.message : String(error));
}

/** How a proxied flow ended, by the end of its stream to the gateway. */
export function outcomeOfStream(end: StreamEnd): Outcome {
  if (end.kind === "clean") return DONE;
  if (end.kind === "broken") {
    return { kind: "reset", by: "tunnel", details: brokenTunnel(end.error, "gateway") };
  }
  if (end.code === ErrorCode.NO_ERROR) return DONE;
  if (end.by === "us" && end.code === ErrorCode.CANCEL) {
    return { kind: "reset", by: "client", details: "the client broke the connection off" };
  }
  return brokenStream(new StreamReset(end.code, end.by), "server");
}

/** How a UDP flow that was connected ended, by the end of its stream to the gateway. */
export function outcomeOfDatagrams(end: StreamEnd): Outcome {
  if (end.kind !== "reset" || end.by === "us") return end.kind === "broken" ? outcomeOfStream(end) : DONE;
  return end.code === ErrorCode.CONNECT_ERROR
    ? { kind: "reset", by: "server", details: "nothing listens there any longer" }
    : outcomeOfStream(end);
}

/** The kernel's words without their number. */
function inWords(error: Error): string {
  return error.message.replace(/ \(os error \d+\)$/, "");
}

function refused(by: "laptop" | "gateway" | "program", error: ProxyError, details: string): Outcome {
  return { kind: "refused", by, error, details };
}

/** A peer resets a stream with CONNECT_ERROR (a server) or CANCEL (a client) when the connection beyond it broke. */
function brokenStream(error: Error, beyond: "server" | "client"): Outcome {
  const code = beyond === "server" ? ErrorCode.CONNECT_ERROR : ErrorCode.CANCEL;
  const isBeyond = error instanceof StreamReset && error.by === "peer" && error.code === code;
  if (!isBeyond) {
    const peer = beyond === "server" ? "gateway" : "node agent";
    return { kind: "reset", by: "tunnel", details: brokenTunnel(error, peer) };
  }
  return {
    kind: "reset",
    by: beyond,
    details: beyond === "server"
      ? "its connection in the cluster broke; if the Service is intercepted, the program there may not be running"
      : "the caller broke the connection off",
  };
}
