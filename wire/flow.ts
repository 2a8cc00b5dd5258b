/**
 * A flow: one connection that pmz carries, or with UDP the datagrams between two addresses and ports, from the side that opened it to the side that answers. Laptop, gateway and
 * relay log the same id, which travels with the CONNECT request in the header `pmz-flow` (streams.ts).
 */
import type { ProxyError } from "./streams.ts";

/** Flows of a laptop that failed and are remembered. */
export const FAILED_FLOWS_KEPT = 512;

/** How a flow stands, or how it ended. */
export type Outcome =
  | { readonly kind: "open" }
  /** Both directions ended in order. */
  | { readonly kind: "done" }
  /** Not connected. `by` is who refused: pmz on this laptop, the gateway, or the program that an intercept leads to. */
  | {
    readonly kind: "refused";
    readonly by: "laptop" | "gateway" | "program";
    readonly error: ProxyError;
    readonly details: string;
  }
  /**
   * Broken while it was open. `by` is whose connection broke; `tunnel`: the way between laptop and cluster; `laptop`: pmz on
   * this laptop closed it.
   */
  | {
    readonly kind: "reset";
    readonly by: "client" | "server" | "tunnel" | "laptop";
    readonly details: string;
  }
  /** No tunnel to the cluster was there in time. */
  | { readonly kind: "no-tunnel"; readonly details: string };

/** Whether a flow ended otherwise than in order. */
export function isFailure(outcome: Outcome): boolean {
  return outcome.kind !== "open" && outcome.kind !== "done";
}

const resetBy = {
  client: "reset by the client",
  server: "reset by the server",
  tunnel: "reset", // the details say what broke on the way
  laptop: "reset by pmz",
} as const;

/** An outcome in words: "refused by the gateway: no ready endpoint". */
export function formatOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case "open":
    case "done":
      return outcome.kind;
    case "refused":
      return `refused${outcome.by === "laptop" ? "" : ` by the ${outcome.by}`}: ${outcome.details}`;
    case "reset":
      return `${resetBy[outcome.by]}: ${outcome.details}`;
    case "no-tunnel":
      return `no tunnel: ${outcome.details}`;
  }
}

/** A flow as `pmz flows` and `pmz status` show it. */
export interface Flow {
  readonly id: string;
  /** `captured`: by address; `proxied`: by pmz's proxy; `intercepted`: from the cluster to a program on this laptop. */
  readonly kind: "captured" | "proxied" | "intercepted";
  readonly protocol: "tcp" | "udp";
  /** Who opened it: "127.0.0.1:41234", or a caller in the cluster. */
  readonly from: string;
  /** The program on this laptop at the flow's local end, where the kernel tells. */
  readonly program?: {
    /** Absent where the kernel numbers processes otherwise than this laptop's programs see them (pid namespaces). */
    readonly pid?: number;
    readonly name: string;
  };
  /** The address that was dialled, as its cluster knows it: "10.96.12.7:8080". */
  readonly to: string;
  /** The virtual address that was dialled for it: "198.19.0.3:8080"; absent where its own was. */
  readonly virtual?: string;
  /** The name of what was dialled, where pmz knows one: "payments.default.svc:8080". */
  readonly name?: string;
  readonly cluster: string;
  /** The intercept within `cluster`: "echo.default:80". It never has the "@context" that an InterceptEntry's id may have. */
  readonly intercept?: string;
  /** ISO time. */
  readonly started: string;
  /** Milliseconds until it ended; absent while it is open. */
  readonly ms?: number;
  /** Bytes from the side that opened it, and to it. */
  readonly sent: number;
  readonly received: number;
  /** Datagrams of both directions that found no room on this laptop; absent where there were none. */
  readonly dropped?: number;
  readonly outcome: Outcome;
  /**
   * How many failed connections this stands for, where there were several: equal ones soon after each other, of the same
   * program to the same target. `id`, `from` and `started` are of the first one, `ms` passed until the end of the last, and
   * their bytes are added.
   */
  readonly times?: number;
}

/** When a flow ended, in milliseconds since 1970; of one that is open, when it began. */
export function endOf({ started, ms = 0 }: Flow): number {
  return Date.parse(started) + ms;
}

/** Who opened a flow: "node (4312)", or an address. */
export function formatCaller({ kind, program, from }: Flow): string {
  return kind !== "intercepted" && program !== undefined ? formatProgram(program) : from;
}

/**
 * Where a flow goes: "payments.default.svc:8080", "kube-dns.kube-system.svc:53/udp", "echo.default:80 -> node (4312)" where it's
 * intercepted, or "payments.default.svc:8080 (10.96.12.7:8080 of dev, as 198.19.0.3:8080)" where a virtual address was dialled.
 */
export function formatTarget(
  { kind, protocol, program, to, virtual, cluster, name, intercept }: Flow,
): string {
  const dialled = virtual === undefined ? "" : ` (${to} of ${cluster}, as ${virtual})`;
  const target = `${intercept ?? name ?? to}${protocol === "udp" ? "/udp" : ""}${dialled}`;
  return kind === "intercepted" && program !== undefined ? `${target} -> ${formatProgram(program)}` : target;
}

/** A flow in words: "node (4312) -> payments.default.svc:8080: refused by the gateway: no ready endpoint". */
export function formatFlow(flow: Flow): string {
  const { times, outcome } = flow;
  const often = times === undefined ? "" : ` (${times} times)`;
  return `${formatCaller(flow)} -> ${formatTarget(flow)}: ${formatOutcome(outcome)}${often}`;
}

function formatProgram({ pid, name }: NonNullable<Flow["program"]>): string {
  return pid === undefined ? name : `${name} (${pid})`;
}

/**
 * Makes flow ids: a random part that no other process has, and a number. "k3v9t0aq-1f".
 * @returns a function that makes the next one
 */
export function flowIds(random: Uint8Array = crypto.getRandomValues(new Uint8Array(8))): () => string {
  const prefix = [...random].map((byte) => (byte % 36).toString(36)).join("");
  let next = 0;
  return () => `${prefix}-${(next++).toString(36)}`;
}

/** A flow id as a peer sent it; undefined when it isn't one. */
export function parseFlowId(text: string | undefined): string | undefined {
  return text !== undefined && /^[a-z0-9]{1,16}-[a-z0-9]{1,11}$/.test(text) ? text : undefined;
}
