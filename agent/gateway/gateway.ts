import { acceptAll } from "../../ffi/sockets/accept.ts";
import { Connection, KeptConnection } from "../../hbone/mod.ts";
import type { Api } from "../../kube/client/api.ts";
import { ports } from "../../wire/places.ts";
import type { Transport } from "../../net/transport.ts";
import { rateLimited } from "../rate_limited_log.ts";
import { SilenceProbes, spreadingDialler } from "./dial.ts";
import { LaneJoiner } from "../lanes.ts";
import type { Log } from "../../wire/log.ts";
import type { Range } from "../../net/range.ts";
import { StreamServer } from "./serve.ts";
import type { ServedEnd } from "./served_end.ts";
import { WatchedTargets } from "./targets.ts";
import { UdpFlows } from "./udp_flows.ts";

/** Tunnels at once; a laptop has one or a few. */
const TUNNELS = 512;
/** Milliseconds between PINGs on a tunnel, and until one counts as lost. The API server takes hours to notice a lost laptop. */
const PING_MS = 30_000;
const PING_TIMEOUT_MS = 20_000;
/** Milliseconds of silence after which a UDP flow ends. Its laptop ends it after 120 s, so this is for those that didn't. */
const UDP_IDLE_MS = 150_000;
/** Milliseconds that open streams have to end after SIGTERM. */
const DRAIN_MS = 20_000;

/** The ports on loopback, which only the API server's port-forward reaches. */
export interface GatewayPorts {
  /** For tunnels of one port-forward. */
  readonly tunnel: number;
  /** For the lanes of tunnels of two port-forwards. */
  readonly lanes: number;
}

const PORTS: GatewayPorts = { tunnel: ports.gateway, lanes: ports.gatewayLanes };

export interface GatewayOptions {
  readonly api: Api;
  /** Those that laptops dial by default; 0 for any free one. */
  readonly ports?: GatewayPorts;
  /** Ranges that were allowed at deployment. */
  readonly ranges: readonly Range[];
  readonly log: Log;
  /** Called with the ports once the cluster's objects are listed. */
  readonly onReady?: (ports: GatewayPorts) => void;
  /** Stops it: new streams are refused at once, open ones have 20 s to end. */
  readonly signal: AbortSignal;
}

/**
 * Runs the gateway until the signal.
 * @throws when a port is in use, or the rights to list Services, pods and nodes are missing.
 */
export async function runGateway(options: GatewayOptions): Promise<void> {
  const { api, log, signal } = options;
  // Watches aren't ended by the signal: streams are decided on until the tunnels are drained.
  await using targets = new WatchedTargets(api, { log: (message, fields) => log("warn", message, fields) });
  const { tunnel, lanes } = options.ports ?? PORTS;
  using tunnelListener = Deno.listen({ hostname: "127.0.0.1", port: tunnel });
  using laneListener = Deno.listen({ hostname: "127.0.0.1", port: lanes });
  using _probes = new SilenceProbes();
  await using udp = new UdpFlows({ idleMs: UDP_IDLE_MS });
  const server = new StreamServer({ targets, dial: spreadingDialler(), udp, ranges: options.ranges });
  await using tunnels = new Tunnels(server, udp, log);
  using joining = new LaneJoiner((transport) => tunnels.serve(transport));
  const stop = () => {
    tunnelListener.close();
    laneListener.close();
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) return;
    const accepting = Promise.all([
      accept(tunnelListener, (connection) => tunnels.serve(connection), log),
      accept(laneListener, (connection) => void joining.take(connection), log),
    ]);
    const lists = targets.ready.then(() => {
      log("info", "ready", { ...targets.counts, ranges: options.ranges.map((range) => range.text) });
      options.onReady?.({ tunnel: tunnelListener.addr.port, lanes: laneListener.addr.port });
    });
    await Promise.race([accepting, lists.then(() => accepting)]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Accepts until the listener is closed. */
function accept(
  listener: Deno.TcpListener,
  taken: (connection: Deno.TcpConn) => void,
  log: Log,
): Promise<void> {
  return acceptAll(listener, (connection) => {
    connection.setNoDelay();
    taken(connection);
  }, { failed: (error) => log("warn", "can't accept a tunnel", { error }) });
}

/** The tunnels that are open. */
class Tunnels implements AsyncDisposable {
  readonly #server: StreamServer;
  readonly #udp: UdpFlows;
  /** Limited, since laptops can cause its lines at will. */
  readonly #log: Log;
  readonly #open = new Set<Connection>();
  #last = 0;

  constructor(server: StreamServer, udp: UdpFlows, log: Log) {
    this.#server = server;
    this.#udp = udp;
    this.#log = rateLimited(log);
  }

  serve(transport: Transport): void {
    if (this.#open.size >= TUNNELS) {
      this.#log("warn", "refused a tunnel: too many are open", { open: this.#open.size });
      return transport.close();
    }
    const tunnel = ++this.#last;
    const connection = new Connection(transport, {
      role: "server",
      onStream: (stream) => void this.#server.serve(stream).then((end) => this.#logFailure(tunnel, end)),
    });
    this.#open.add(connection);
    this.#log("info", "tunnel open", { tunnel, open: this.#open.size });
    const kept = new KeptConnection(connection, { everyMs: PING_MS, timeoutMs: PING_TIMEOUT_MS });
    kept.closed.then(({ kind, error }) => {
      this.#open.delete(connection);
      this.#log("info", "tunnel closed", { tunnel, kind, ...(error ? { error } : {}) });
    });
  }

  #logFailure(tunnel: number, { flow, ...end }: ServedEnd): void {
    if (end.error === undefined) return;
    // A reset by the laptop's program is ordinary.
    this.#log(end.by === "laptop" ? "info" : "warn", "a flow failed", { flow, tunnel, ...end });
  }

  /** Sends GOAWAY to all, and aborts after 20 s what is still open. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#open) connection.drain();
    // Flows have no end of their own; their laptops open them again, by another gateway.
    this.#udp.end();
    const closed = Promise.all([...this.#open].map((each) => each.closed));
    const timer = setTimeout(() => {
      for (const connection of this.#open) connection.abort();
    }, DRAIN_MS);
    await closed;
    clearTimeout(timer);
  }
}
