import { writeAll } from "../http/byte_reader.ts";
import { formatEndpoint } from "../net/address.ts";
import type { AbortableTransport } from "../net/transport.ts";
import { ConnectionOwners } from "../ffi/proc/connection_owner.ts";
import { arrivalOf } from "../ffi/proc/socket_owner.ts";
import { endsOf } from "../ffi/sockets/own_socket.ts";
import type { ConnectionEnds } from "../ffi/proc/socket_program.ts";
import { USUAL_PROXY_PORT } from "../wire/proxy_port.ts";
import type { OpenFlow } from "./flow_table.ts";
import { LocalRefusal } from "./local_target.ts";
import type { OutboundParts } from "./outbound.ts";
import { addressesOutside, dialOutside, type Outside, type OutsideTarget } from "./outside_target.ts";
import type { ClusterTarget, Destination, Unserved } from "./protocol.ts";
import { outcomeOfError, outcomeOfStream } from "./outcome.ts";
import { Associations } from "./proxied_udp.ts";
import { serveProxy } from "./proxy/server.ts";
import { type ProxyTarget, ProxyTargetError } from "./proxy/target.ts";
import type { Stream } from "../hbone/mod.ts";
import { connectStream, TargetRefused } from "./tunnel/connect_stream.ts";
import { NoTunnel } from "./tunnel/no_tunnel.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";

/** What a proxied flow needs. */
export interface ProxiedParts extends OutboundParts {
  /** @throws {NoTunnel} when the cluster isn't connected */
  tunnel(cluster: string): Pick<Tunnel, "open" | "openUdp">;
  /** By which names outside of the clusters are resolved. */
  readonly outside: Outside;
  /** Why a destination takes no connections, as far as the cluster's objects say. */
  whyUnserved(destination: Destination): Promise<Unserved | undefined>;
}

/**
 * Serves the proxy on loopback, for this user alone.
 * @throws when the port that was asked for is taken.
 */
export function startProxy(
  port: number,
  parts: ProxiedParts,
): AsyncDisposable & { readonly address: string } {
  const owners = new ConnectionOwners();
  const uid = Deno.uid() ?? -1;
  const accounts = [{ first: uid, last: uid }];
  const associations = new Associations(parts, uid);
  const opened = new WeakMap<AbortableTransport, OpenFlow>();
  const serve = (port: number) =>
    serveProxy({
      hostname: "127.0.0.1",
      port,
      allow: (conn) => owners.isFrom(arrivalOf(conn), accounts),
      async open(client, target, first) {
        const { flow, stream } = await open(client, target, first, parts);
        opened.set(stream, flow);
        return stream;
      },
      associate: ({ localAddr }) => associations.associate(localAddr.hostname),
      isOurs(host) {
        const target = parts.directory.byHost(host);
        return target !== undefined && !("outside" in target); // pages outside are no cluster's
      },
      answerFailed(error, connection) {
        const flow = opened.get(connection);
        if (flow) parts.flows.end(flow, outcomeOfError(error));
      },
      signal: new AbortController().signal, // ended by being disposed
    });
  const proxy = port === 0 ? usualOrAny(serve) : serve(port);
  return {
    address: formatEndpoint(proxy.hostname, proxy.port),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await associations[Symbol.asyncDispose]();
      owners[Symbol.dispose]();
    },
  };
}

/** On the usual port, so that examples hold; on any free one where it is taken. */
function usualOrAny<T>(serve: (port: number) => T): T {
  try {
    return serve(USUAL_PROXY_PORT);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return serve(0);
  }
}

/** Opens the stream of a proxied flow: target -> stream, or a connection to a program of this laptop. The proxy relays it; the flow ends with its stream. */
async function open(
  client: Deno.TcpConn,
  { host, port }: ProxyTarget,
  first: Uint8Array | undefined,
  parts: ProxiedParts,
): Promise<{ readonly flow: OpenFlow; readonly stream: AbortableTransport }> {
  const target = parts.directory.byHost(host);
  if (target && "outside" in target) {
    return await openOutside(client, { host, port, name: target.outside }, target.cluster, first, parts);
  }
  return await openInside(client, { host, port }, target, first, parts);
}

/** Opens a connection to what an ExternalName leads to outside: in a cluster after all, or from this laptop. */
async function openOutside(
  client: Deno.TcpConn,
  to: OutsideTarget,
  cluster: string,
  first: Uint8Array | undefined,
  parts: ProxiedParts,
): Promise<{ readonly flow: OpenFlow; readonly stream: AbortableTransport }> {
  const { directory, flows, outside } = parts;
  const begin = () =>
    flows.begin({
      kind: "proxied",
      cluster,
      from: clientEnds(client),
      to: formatEndpoint(to.name, to.port),
    });
  const failed = (flow: OpenFlow, error: unknown): never => {
    flows.end(flow, outcomeOfError(error));
    throw error;
  };
  const addresses = await addressesOutside(to, outside).catch((error) => failed(begin(), error));
  const inside = addresses.map(({ text }) => directory.byHost(text)).find((one) => one !== undefined);
  if (inside && !("outside" in inside)) {
    return await openInside(client, { host: inside.address, port: to.port }, inside, first, parts);
  }
  const flow = begin();
  const stream = await dialOutside(to, addresses, first).catch((error) => failed(flow, error));
  flow.stream = stream;
  stream.closed.then((outcome) => flows.end(flow, outcome));
  return { flow, stream };
}

async function openInside(
  client: Deno.TcpConn,
  { host, port }: ProxyTarget,
  target: ClusterTarget | undefined,
  first: Uint8Array | undefined,
  { directory, redirects, flows, tunnel, whyUnserved }: ProxiedParts,
): Promise<{ readonly flow: OpenFlow; readonly stream: AbortableTransport }> {
  const from = clientEnds(client);
  const redirected = redirects.any && target !== undefined
    ? await redirects.of(target.cluster, { address: target.address, port }, () => from)
    : undefined;
  const flow = flows.begin({
    kind: "proxied",
    cluster: target?.cluster ?? "",
    from,
    to: formatEndpoint(target?.address ?? host, port),
    ...(redirected && { intercept: redirected.target.intercept }),
  });
  try {
    if (target === undefined) {
      const why = directory.whyNowhere(host);
      throw new ProxyTargetError(
        "destination_not_found",
        why === undefined
          ? `no connected cluster has an address for ${host}; \`pmz explain\` with that name says why`
          : `${host} is an ExternalName that leads nowhere: ${why}`,
      );
    }
    if (redirected) {
      const program = await redirected.dial();
      flow.stream = program;
      program.closed.then((outcome) => flows.end(flow, outcome));
      if (first !== undefined) await writeAll(program, first);
      return { flow, stream: program };
    }
    const to = formatEndpoint(target.address, port);
    const opening = connectStream(tunnel(target.cluster), to, {
      flow: flow.id,
      ...(first === undefined ? {} : { first }),
    });
    const stream = await unlessUnserved(opening, { protocol: "tcp", ...target, port }, whyUnserved);
    flow.stream = stream;
    stream.closed.then((end) => flows.end(flow, outcomeOfStream(end)));
    return { flow, stream };
  } catch (error) {
    const cause = error instanceof TargetRefused && target !== undefined
      ? await exactly(error, { protocol: "tcp", ...target, port }, whyUnserved)
      : error;
    flows.end(flow, outcomeOfError(cause));
    throw asProxyError(cause, `${host} port ${port}`);
  }
}

/** Milliseconds after which a gateway's dial may be one that nothing answers. */
const LATE_MS = 300;

/**
 * Waits for a stream, but not for one that nothing will answer: most clusters drop what is sent to a Service's port that it
 * doesn't have, and the gateway would wait for 10 s.
 */
async function unlessUnserved(
  opening: Promise<Stream>,
  destination: Destination,
  whyUnserved: ProxiedParts["whyUnserved"],
): Promise<Stream> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(async () => {
    const why = await whyUnserved(destination).catch(() => undefined);
    if (why !== undefined) late.reject(new TargetRefused(why.error, why.details));
  }, LATE_MS);
  try {
    return await Promise.race([opening, late.promise]);
  } catch (error) {
    opening.then((stream) => stream.abort(), () => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A gateway only sees that a dial fails; which Services have no such port or no ready endpoint is known here. */
async function exactly(
  refused: TargetRefused,
  destination: Destination,
  whyUnserved: ProxiedParts["whyUnserved"],
): Promise<TargetRefused> {
  const why = await whyUnserved(destination).catch(() => undefined); // the gateway's words are right, too
  return why === undefined ? refused : new TargetRefused(why.error, why.details);
}

/** What the client is told: the reason itself. */
function asProxyError(error: unknown, where: string): ProxyTargetError {
  if (error instanceof ProxyTargetError) return error;
  const { message } = error instanceof Error ? error : new Error(String(error));
  if (error instanceof TargetRefused) return new ProxyTargetError(error.kind, message, { cause: error });
  if (error instanceof NoTunnel) return new ProxyTargetError("connection_timeout", message, { cause: error });
  if (error instanceof LocalRefusal) return new ProxyTargetError(error.kind, message, { cause: error });
  return new ProxyTargetError("proxy_internal_error", `${where}: ${message}`, { cause: error });
}

function clientEnds(client: Deno.TcpConn): ConnectionEnds {
  const { local, remote } = endsOf(client) ?? {};
  if (!local || !remote) throw new TypeError("a client of the proxy has an address and a port at both ends");
  return { local, remote };
}
