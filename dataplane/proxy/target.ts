/** Where a proxy's client wants to go, and why it can't. */
import { type AbortableTransport } from "../../net/transport.ts";
import type { ProxyError } from "../../wire/streams.ts";

export interface ProxyTarget {
  /** A name, or an address without brackets, as the client wrote it. */
  readonly host: string;
  readonly port: number;
}

/**
 * Opens a connection to a target. `first` are bytes for it that are there already.
 * @throws {ProxyTargetError} when it can't be reached; anything else counts as `proxy_internal_error`.
 */
export type OpenTarget = (
  target: ProxyTarget,
  first: Uint8Array | undefined,
  signal: AbortSignal,
) => Promise<AbortableTransport>;

/** As OpenTarget, with the connection of the client that it is for. */
export type OpenTargetFor = (
  client: Deno.TcpConn,
  ...target: Parameters<OpenTarget>
) => ReturnType<OpenTarget>;

/** A target can't be reached; the message says what was tried, what happened and what to do, for the person who reads it. */
export class ProxyTargetError extends Error {
  override name = "ProxyTargetError";
  constructor(readonly kind: ProxyError, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Any error as one that clients can be told. */
export function asTargetError(error: unknown, { host, port }: ProxyTarget): ProxyTargetError {
  if (error instanceof ProxyTargetError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ProxyTargetError("proxy_internal_error", `${host} port ${port}: ${why}`, { cause: error });
}

/** "echo.default.svc:80", "[fd00::1]:80"; undefined when it isn't a host and a port. */
export function parseTarget(authority: string, defaultPort?: number): ProxyTarget | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,255}))(?::([0-9]{1,5}))?$/.exec(authority);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  return host !== undefined && port !== undefined && port > 0 && port < 65536 ? { host, port } : undefined;
}
