import type { AbortableTransport } from "../../net/transport.ts";
import type { Router } from "../routing/router.ts";
import type { MatchableRequest } from "../routing/matchable_request.ts";
import type { MirrorLimits } from "./mirror_limits.ts";
import type { BufferPool, Header, Stream } from "../../hbone/mod.ts";
import type { Places } from "./places.ts";
import type { RelayedRule } from "../../wire/handover.ts";

/** An accepted connection. */
export interface InterceptedConnection {
  readonly transport: AbortableTransport;
  readonly caller: { readonly address: string; readonly port: number };
  /** The pod's own address and port that the caller dialled. */
  readonly destination: { readonly address: string; readonly port: number };
}

/** The ways to laptops that there are now. */
export interface LaptopTunnels {
  /** The tunnels that have proven a rule, the newest first. */
  of(uid: string): readonly {
    /** @throws when it takes no further stream */
    open(request: readonly Header[]): Stream;
  }[];
  rule(uid: string): RelayedRule | undefined;
}

/** Copies requests of a connection that go to the pod. */
export interface RequestMirror {
  /** A request follows, which goes to the pod. */
  request(request: MatchableRequest): void;
  /** The request, which was lost on its way to a pod that closed its connection, is sent once more. */
  sentAgain(): void;
  /** All of the request was sent, and it was answered. */
  endRequest(): void;
}

/** What copies of a connection need. */
export interface Mirroring {
  readonly limits: MirrorLimits;
  /** What the connection sends to the pod is copied from now on where a rule wants that. */
  begun(): void;
}

/** Where a connection can go, and what decides it. */
export interface Upstreams {
  /** The connection's id in the logs of relay and laptop. */
  readonly flow: string;
  /** "namespace/name" of the pod. */
  readonly pod: string;
  /** The UID of the whole-service rule that has the port now. */
  whole(): string | undefined;
  /** The personal rules that the port has now. */
  router(): Router;
  /** Without it nothing is copied. */
  readonly mirroring?: Mirroring;
  /** What copies requests that go to the pod, where a rule wants that. */
  readonly mirror?: RequestMirror;
  /** The connection is carried without a look at what it says: no personal rule takes any of it. */
  unrouted(): void;
  readonly tunnels: LaptopTunnels;
  /** What HTTP/2 is read and written with. */
  readonly buffers: BufferPool;
  /** Where long heads of requests wait to be complete, by their caller's address. */
  readonly longHeads: Pick<Places, "enter" | "leave">;
  /** What open HTTP/2 streams take of all callers' places, by their caller's address. */
  readonly streams: Pick<Places, "enter" | "leave">;
  /** Tells probes from other connections. */
  classify(): Promise<Source>;
  /**
   * Dials the pod's application at the connection's destination.
   * @throws when that fails; an application that refuses may also show only in reading.
   */
  dialPod(): Promise<AbortableTransport>;
}

/** What kind of source a connection has, not which pod. `kubelet`: a probe; `node`: from one of the node's addresses (NodePort traffic, a probe that has ended); or neither. */
export type Source = "kubelet" | "node" | "other";

/** How a connection ended. */
export interface CarriedOutcome {
  /** Where it went; `dropped`: closed without an answer, as a probe that only connects. */
  readonly kind: "laptop" | "pod" | "reset" | "dropped";
  /** Whose end broke, of a connection that broke while it was carried. */
  readonly by?: "caller" | "laptop" | "pod";
  /** The UID of the rule that it went by. */
  readonly rule?: string;
  /** Why the laptop declined it, or what broke it; undefined when it was carried to its end. */
  readonly details?: string;
}

/** How a failed connection ended, as the log has it: "reset by laptop"; "declined" when its pod took it instead of the laptop. */
export function outcomeWords({ kind, by }: Pick<CarriedOutcome, "kind" | "by">): string {
  if (by !== undefined) return `reset by ${by}`;
  return kind === "laptop" || kind === "pod" ? "declined" : kind;
}

/** The level at which a failed connection is logged: a reset by the caller is ordinary, whenever it comes. */
export function levelOf({ by }: Pick<CarriedOutcome, "by">): "info" | "warn" {
  return by === "caller" ? "info" : "warn";
}
