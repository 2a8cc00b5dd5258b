import { relay } from "../hbone/mod.ts";
import { formatEndpoint } from "../net/address.ts";
import type { TcpConnection } from "../ffi/sockets/tcp_connection.ts";
import { TcpListener } from "../ffi/sockets/tcp_listener.ts";
import { Channel, type MessageSide } from "../threads/channel.ts";
import { ClusterData } from "./cluster_data.ts";
import { agentDialler, type DialAgent } from "./tunnel/dial_agent.ts";
import { Directory } from "./directory.ts";
import type { DataCalls, MainCalls } from "./protocol.ts";
import { startProxy } from "./proxied.ts";
import { connectStream } from "./tunnel/connect_stream.ts";
import { NoTunnel } from "./tunnel/tunnel.ts";

/**
 * The data worker: accepts captured connections and the proxy's, and carries their bytes through the tunnels. A
 * captured connection's life: accept -> target of its local address -> stream of the cluster's tunnel -> relay.
 * `log` writes a line in the daemon's log.
 */
export function startDataWorker(
  side: MessageSide,
  dial: DialAgent = agentDialler(),
): { readonly log: (message: string) => void } {
  const clusters = new Map<string, ClusterData>();
  const directory = new Directory();
  const listeners: Disposable[] = [];
  let proxy: (AsyncDisposable & { readonly address: string }) | undefined;

  const answers = {
    connect(cluster) {
      if (!clusters.has(cluster)) clusters.set(cluster, new ClusterData(cluster, main, dial));
    },
    reach: (cluster) => clusters.get(cluster)?.reach(),
    async disconnect(cluster) {
      const data = clusters.get(cluster);
      clusters.delete(cluster);
      directory.delete(cluster);
      await data?.[Symbol.asyncDispose]();
    },
    listen(address) {
      const listener = openListener(address);
      if (listener === undefined) return undefined;
      listeners.push(listener);
      return listener.descriptor;
    },
    unlisten() {
      for (const listener of listeners.splice(0)) listener[Symbol.dispose]();
    },
    addresses: ({ cluster, addresses }) => directory.setAddresses(cluster, addresses),
    zone: (zone) => directory.setZone(zone),
    custom: (domains) => directory.setCustom(domains),
    proxy(port) {
      proxy ??= startProxy(port, {
        find: (host) => directory.byHost(host),
        open: (target, port, first) =>
          connectStream(tunnelOf(target.cluster), formatEndpoint(target.address, port), first),
      });
      return proxy.address;
    },
    async unproxy() {
      await proxy?.[Symbol.asyncDispose]();
      proxy = undefined;
    },
    check() {
      for (const data of clusters.values()) data.check();
    },
    async dial({ cluster, authority }) {
      const started = performance.now();
      const stream = await connectStream(tunnelOf(cluster), authority);
      stream.close();
      return performance.now() - started;
    },
    intercepts: ({ cluster, targets }) => clusters.get(cluster)?.intercepts(targets),
    agents: ({ cluster, agents }) => clusters.get(cluster)?.agents(agents),
    counts(cluster) {
      const data = clusters.get(cluster);
      return {
        openStreams: data?.tunnel?.openStreams ?? 0,
        roundTripMs: data?.tunnel?.roundTripMs ?? null,
        rules: data?.counts() ?? [],
      };
    },
  } satisfies DataCalls;
  const main = new Channel<DataCalls, MainCalls>(side, answers);

  function openListener(address: string): TcpListener | undefined {
    try {
      return new TcpListener(address, captured);
    } catch (error) {
      if (error instanceof Deno.errors.AddrNotAvailable) return undefined;
      throw error;
    }
  }

  function tunnelOf(cluster: string) {
    const tunnel = clusters.get(cluster)?.tunnel;
    if (!tunnel) throw new NoTunnel(`not connected to ${cluster}`);
    return tunnel;
  }

  async function captured(connection: TcpConnection): Promise<void> {
    try {
      const target = directory.byAddress(connection.local.address.text);
      if (!target) return connection.abort();
      const stream = await tunnelOf(target.cluster).open(
        formatEndpoint(target.address, connection.local.port),
      );
      await relay(connection, stream);
    } catch {
      connection.abort(); // a reset: the program must not take it for an end
    }
  }

  return { log: (message) => void main.call("log", { message, fields: {} }) };
}
