import { formatEndpoint } from "../net/address.ts";
import type { AbortableTransport } from "../net/transport.ts";
import { arrivalOf, SocketOwners } from "../ffi/proc/socket_owner.ts";
import { serveProxy } from "./proxy/server.ts";
import { ProxyTargetError, type Target as ProxyTarget } from "./proxy/target.ts";
import { TargetRefused } from "./tunnel/connect_stream.ts";
import type { Target } from "./protocol.ts";
import { NoTunnel } from "./tunnel/tunnel.ts";

/** Where proxies usually are, so that examples hold; any free port where it's taken. */
const USUAL_PORT = 1080;

/** What the proxy leans on. */
export interface ProxyParts {
  /** The cluster's address of a name or an address; undefined when no connected cluster has it. */
  find(host: string): Target | undefined;
  open(target: Target, port: number, first: Uint8Array | undefined): Promise<AbortableTransport>;
}

/** Serves the proxy on loopback, for this user alone. @throws when the port that was asked for is taken. */
export function startProxy(port: number, parts: ProxyParts): AsyncDisposable & { readonly address: string } {
  const owners = new SocketOwners();
  const uid = Deno.uid() ?? -1;
  const accounts = [{ first: uid, last: uid }];
  const serve = (port: number) =>
    serveProxy({
      hostname: "127.0.0.1",
      port,
      allow: (conn) => owners.isFrom(arrivalOf(conn), accounts),
      open: (target, first) => open(target, first, parts),
      isOurs: (host) => parts.find(host) !== undefined,
      signal: new AbortController().signal, // ended by being disposed
    });
  const proxy = port === 0 ? usualOrAny(serve) : serve(port);
  return {
    address: formatEndpoint(proxy.hostname, proxy.port),
    [Symbol.asyncDispose]: () => Promise.resolve(proxy[Symbol.asyncDispose]()),
  };
}

function usualOrAny<T>(serve: (port: number) => T): T {
  try {
    return serve(USUAL_PORT);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return serve(0);
  }
}

async function open(
  { host, port }: ProxyTarget,
  first: Uint8Array | undefined,
  parts: ProxyParts,
): Promise<AbortableTransport> {
  const target = parts.find(host);
  if (!target) {
    throw new ProxyTargetError(
      "destination_not_found",
      `no connected cluster has ${host}; \`pmz services -A\` shows what there is`,
    );
  }
  try {
    return await parts.open(target, port, first);
  } catch (error) {
    if (error instanceof TargetRefused) {
      throw new ProxyTargetError(error.kind, error.message, { cause: error });
    }
    if (error instanceof NoTunnel) {
      throw new ProxyTargetError("connection_timeout", error.message, { cause: error });
    }
    throw error;
  }
}
