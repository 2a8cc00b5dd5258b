import type { TcpConnection } from "../ffi/sockets/tcp_connection.ts";
import { ListenerFamilies } from "../ffi/proc/listener_family.ts";
import { SocketPrograms } from "../ffi/proc/socket_program.ts";
import { TcpListener } from "../ffi/sockets/tcp_listener.ts";
import { parseAddress } from "../net/address.ts";
import { Channel, type MessageSide } from "../threads/channel.ts";
import { ClusterTunnels } from "./cluster_tunnels.ts";
import { Directory } from "./directory.ts";
import { FailureReports } from "./failure_reports.ts";
import { type FindPrograms, FlowTable } from "./flow_table.ts";
import { OwnNetworks } from "../names/own_networks.ts";
import { outbound } from "./outbound.ts";
import { type Outside, resolveHere } from "./outside_target.ts";
import { probe } from "./probe.ts";
import { Redirects } from "./redirects.ts";
import type { DataCalls, MainCalls } from "./protocol.ts";
import { startProxy } from "./proxied.ts";
import { DestinationSockets } from "./udp/destination_sockets.ts";
import { OutboundUdp } from "./udp/outbound_udp.ts";
import { agentDialler, type DialAgent } from "./tunnel/dial_agent.ts";
import { NoTunnel } from "./tunnel/no_tunnel.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";

/**
 * A data worker: owns listeners, tunnels and the proxy, and does what the plane asks. What becomes of a connection stands
 * in outbound.ts (captured), proxied.ts and inbound.ts (intercepted); of datagrams in udp/outbound_udp.ts.
 * @returns `log`, which writes a line into the daemon's log
 */
export function startDataWorker(
  side: MessageSide,
  dial: DialAgent = agentDialler(),
  programs: FindPrograms & Pick<SocketPrograms, "socketOf"> = new SocketPrograms(),
  families: Pick<ListenerFamilies, "isFrom"> = new ListenerFamilies(),
  outside: Outside = outsideOfThisLaptop(),
): { readonly log: (message: string) => void } {
  const clusters = new Map<string, ClusterTunnels>();
  const directory = new Directory();
  const redirects = new Redirects(families);
  const listeners: Disposable[] = [];
  const udp: DestinationSockets = new DestinationSockets({
    open: (socket) => main.call("openUdp", socket),
    unreachable: (callers) => main.call("udpUnreachable", callers),
  });
  let proxy: (AsyncDisposable & { readonly address: string }) | undefined;
  const failures = new FailureReports((report) => void main.call("failed", report));
  // Of their own, so that a program that tries many ports takes no line of the log from others.
  const refusals = new FailureReports((report) => void main.call("failed", report));
  const flows = new FlowTable({
    failed: (flow) => failures.add(flow),
    refused: (flow) => refusals.add(flow),
    ended: (flow) => void main.call("ended", flow),
  }, programs);

  const answers = {
    connect(cluster) {
      if (clusters.has(cluster)) return;
      clusters.set(cluster, new ClusterTunnels({ cluster, main, dial, flows }));
      directory.add(cluster);
    },
    reach: (cluster) => clusters.get(cluster)?.reach(),
    async disconnect(cluster) {
      const tunnels = clusters.get(cluster);
      clusters.delete(cluster);
      directory.delete(cluster);
      redirects.replace(cluster, []);
      await tunnels?.[Symbol.asyncDispose]();
    },
    listen(address) {
      const listener = openListener(
        address,
        (connection) => void outbound(connection, { directory, redirects, flows, tunnel }),
      );
      if (listener === undefined) return undefined;
      listeners.push(listener);
      return listener.descriptor;
    },
    unlisten() {
      for (const listener of listeners.splice(0)) listener[Symbol.dispose]();
      udpFlows[Symbol.dispose]();
      udp[Symbol.dispose]();
    },
    takesUdp: (): boolean => "listenDatagram" in Deno && udp.received !== undefined,
    carryUdp({ own, accounts }) {
      udpFlows.accounts = accounts;
      const address = parseAddress(own);
      if (address) udp.setOwn(address);
    },
    datagrams(arrived) {
      for (const datagram of arrived) udp.arrived(datagram);
    },
    callersClosed: (callers) => udp.callersClosed(callers),
    changeAddresses(change) {
      directory.changeAddresses(change);
      udpFlows.release(change.cluster, change.removed);
    },
    captured: ({ cluster, isCaptured }) => directory.setCaptured(cluster, isCaptured),
    zone: (zone) => directory.setZone(zone),
    names: (change) => directory.changeNames(change),
    custom: (domains) => directory.setCustom(domains),
    proxy(port) {
      proxy ??= startProxy(port, {
        directory,
        redirects,
        flows,
        tunnel,
        whyUnserved: (destination) => main.call("whyUnserved", destination),
        outside,
      });
      return proxy.address;
    },
    async unproxy() {
      await proxy?.[Symbol.asyncDispose]();
      proxy = undefined;
      directory.forgetNames();
    },
    check() {
      for (const tunnels of clusters.values()) tunnels.check();
    },
    probe: ({ address, ...rest }) =>
      probe({ ...rest, address: directory.ownAddress(rest.cluster, address) }, tunnel),
    intercepts: ({ cluster, targets }) => clusters.get(cluster)?.setIntercepts(targets),
    redirects({ cluster, redirects: wanted }) {
      flows.reroute(cluster, redirects.replace(cluster, wanted), "an intercept on this laptop takes it now");
    },
    agents: ({ cluster, agents }) => clusters.get(cluster)?.setAgents(agents),
    counts(cluster) {
      const tunnels = clusters.get(cluster);
      return {
        openStreams: tunnels?.tunnel?.openStreams ?? 0,
        roundTripMs: tunnels?.tunnel?.roundTripMs ?? null,
        rules: [...tunnels?.counts() ?? [], ...redirects.counts(cluster)],
        lostNodes: tunnels?.lostNodes ?? [],
      };
    },
    refused({ attempts, omitted }) {
      refusals.omit(omitted);
      for (const one of attempts) flows.refuse(one);
    },
    flows: () => flows.flows(),
    failedFlows: () => flows.failed,
    follow: (on) => void (flows.followed = on),
  } satisfies DataCalls;
  const main = new Channel<DataCalls, MainCalls>(side, answers);
  const log = (message: string) => void main.call("log", { message, fields: {} });

  const udpFlows = new OutboundUdp({
    captured: udp,
    directory,
    flows,
    programs,
    tunnel,
  });

  function tunnel(cluster: string): Tunnel {
    const tunnel = clusters.get(cluster)?.tunnel;
    if (!tunnel) throw new NoTunnel(`not connected to ${cluster}`);
    return tunnel;
  }

  return { log };
}

function outsideOfThisLaptop(): Outside {
  const networks = new OwnNetworks();
  return { resolve: resolveHere, why: (address) => networks.why(address) };
}

function openListener(
  address: string,
  onConnection: (connection: TcpConnection) => void,
): TcpListener | undefined {
  try {
    return new TcpListener(address, onConnection);
  } catch (error) {
    if (error instanceof Deno.errors.AddrNotAvailable) return undefined;
    throw error;
  }
}
