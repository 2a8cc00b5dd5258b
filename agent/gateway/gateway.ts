import { acceptAll } from "../../ffi/sockets/accept.ts";
import { Connection } from "../../hbone/connection/connection.ts";
import { TokenBucket } from "../../async/token_bucket.ts";
import type { Api } from "../../kube/client/api.ts";
import { ports } from "../../wire/places.ts";
import type { Transport } from "../../net/transport.ts";
import { dial, SilenceProbes } from "./dial.ts";
import { Lanes } from "./lanes.ts";
import type { Log } from "../../wire/log.ts";
import type { Range } from "../../net/range.ts";
import { type StreamEnd, StreamServer } from "./serve.ts";
import { WatchedTargets } from "./targets.ts";

/** Tunnels at once. Each laptop has one or a few. */
const TUNNELS = 512;
/** Milliseconds between PINGs on a tunnel, and until one counts as lost: the API server notices a lost laptop only in hours. */
const PING_MS = 30_000;
const PING_TIMEOUT_MS = 20_000;
/** Milliseconds that open streams have to end when the gateway is told to stop. */
const DRAIN_MS = 20_000;

/** On loopback: the API server's port-forward is the only way in. */
export interface GatewayPorts {
  /** A port-forward that is a whole tunnel. */
  readonly tunnel: number;
  /** Lanes, of which two are a tunnel. */
  readonly lanes: number;
}

const PORTS: GatewayPorts = { tunnel: ports.gateway, lanes: ports.gatewayLanes };

export interface GatewayOptions {
  readonly api: Api;
  /** Its own are what laptops dial. 0: any free one. */
  readonly ports?: GatewayPorts;
  /** Ranges allowed at deployment. */
  readonly ranges: readonly Range[];
  readonly log: Log;
  /** Told where it listens, once the cluster is known. */
  readonly onReady?: (ports: GatewayPorts) => void;
  /** Stops it: open streams get 20 s, new ones are refused at once. */
  readonly signal: AbortSignal;
}

/**
 * Runs the gateway until it's told to stop.
 * @throws when the port is taken, or the rights to list Services, pods and nodes are missing.
 */
export async function runGateway(options: GatewayOptions): Promise<void> {
  const { api, log, signal } = options;
  // Streams that are carried on while draining still dial nothing new, but the watches outlive the signal anyway.
  await using targets = new WatchedTargets(api, { log: (message, fields) => log("warn", message, fields) });
  const { tunnel, lanes } = options.ports ?? PORTS;
  using tunnelListener = Deno.listen({ hostname: "127.0.0.1", port: tunnel });
  using laneListener = Deno.listen({ hostname: "127.0.0.1", port: lanes });
  using _probes = new SilenceProbes();
  const server = new StreamServer({ targets, dial, ranges: options.ranges });
  await using tunnels = new Tunnels(server, log);
  using joining = new Lanes((transport) => tunnels.serve(transport));
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
  readonly #log: Log;
  readonly #open = new Set<Connection>();
  /** Whoever opens streams can fill a log: what is beyond is counted only. */
  readonly #lines = new TokenBucket(100, 5);
  #unsaid = 0;
  #last = 0;

  constructor(server: StreamServer, log: Log) {
    this.#server = server;
    this.#log = log;
  }

  serve(transport: Transport): void {
    if (this.#open.size >= TUNNELS) {
      this.#log("warn", "refused a tunnel: too many are open", { open: this.#open.size });
      return transport.close();
    }
    const tunnel = ++this.#last;
    const connection = new Connection(transport, {
      role: "server",
      onStream: (stream) => void this.#server.serve(stream).then((end) => this.#say(tunnel, end)),
    });
    this.#open.add(connection);
    this.#log("info", "tunnel open", { tunnel, open: this.#open.size });
    const beat = setInterval(() => {
      connection.ping(PING_TIMEOUT_MS).catch((error) => connection.abort(undefined, error));
    }, PING_MS);
    connection.closed.then(({ kind, error }) => {
      clearInterval(beat);
      this.#open.delete(connection);
      this.#log("info", "tunnel closed", { tunnel, kind, ...(error ? { error } : {}) });
    });
  }

  #say(tunnel: number, end: StreamEnd): void {
    if (end.error === undefined) return;
    if (!this.#lines.take()) return void this.#unsaid++;
    const unsaid = this.#unsaid;
    this.#unsaid = 0;
    this.#log("info", "stream failed", { tunnel, ...end, ...(unsaid > 0 ? { unsaid } : {}) });
  }

  /** GOAWAY to all, then 20 s for what is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#open) connection.drain();
    const closed = Promise.all([...this.#open].map((each) => each.closed));
    const timer = setTimeout(() => {
      for (const connection of this.#open) connection.abort();
    }, DRAIN_MS);
    await closed;
    clearTimeout(timer);
  }
}
