// The near end of our tunnel, as the daemon's data worker has it: its listeners, its own tunnel, its own way of a captured
// connection, and of captured datagrams. Only what it dials differs: a TCP connection on loopback for the port-forward; and where
// datagrams come by: a port of loopback. Its arguments are the gateway's port and the ports to reach; the ports where it listens are
// what it prints, behind them the one for datagrams to the last.
import { Directory } from "../../../dataplane/directory.ts";
import { FlowTable } from "../../../dataplane/flow_table.ts";
import { outbound } from "../../../dataplane/outbound.ts";
import { Redirects } from "../../../dataplane/redirects.ts";
import { Tunnel } from "../../../dataplane/tunnel/tunnel.ts";
import type { CapturedUdp } from "../../../dataplane/udp/captured_udp.ts";
import { DestinationSocket } from "../../../dataplane/udp/destination_socket.ts";
import { OutboundUdp } from "../../../dataplane/udp/outbound_udp.ts";
import { ReceiveBuffers } from "../../../dataplane/udp/receive_buffers.ts";
import { localEndpoint } from "../../../ffi/sockets/socket.ts";
import { parseAddress } from "../../../net/address.ts";
import { SocketPrograms } from "../../../ffi/proc/socket_program.ts";
import { TcpListener } from "../../../ffi/sockets/tcp_listener.ts";
import { held } from "./held.ts";

/** What the gateway takes for a Service's address; never dialled. */
const SERVICE = "10.96.0.1";

const [gateway, ...targets] = Deno.args;
const tunnel = new Tunnel(async (signal) => {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: Number(gateway), signal });
  socket.setNoDelay();
  return socket;
}, { connected() {}, connecting() {}, ended() {} });
const directory = new Directory();
directory.add("bench");
directory.setCaptured("bench", true);
directory.changeAddresses({ cluster: "bench", added: new Map([["127.0.0.1", SERVICE]]), removed: [] });
const redirects = new Redirects({ isFrom: () => Promise.resolve(false) });
const flows = new FlowTable({ failed() {}, refused() {}, ended() {} }, new SocketPrograms());

const ports = targets.map((target) => {
  // The listener's own port is not the target's.
  const open: Tunnel["open"] = (_, options) => tunnel.open(`${SERVICE}:${target}`, options);
  const parts = { directory, redirects, flows, tunnel: () => ({ open }) };
  return new TcpListener("127.0.0.1", (connection) => void outbound(connection, parts)).port;
});

const loopback = parseAddress("127.0.0.1");
if (!loopback) throw new Error("127.0.0.1 is an address");
const captured: CapturedUdp & { own(): typeof loopback } = { own: () => loopback };
const openUdp: Tunnel["openUdp"] = (_, options) => tunnel.openUdp(`${SERVICE}:${targets.at(-1)}`, options);
const programs = { socketOf: () => "unknown" as const }; // the kernel knows no caller of the address that datagrams seem to come for
const udp = new OutboundUdp({ captured, directory, flows, programs, tunnel: () => ({ openUdp }) });
udp.accounts = [{ first: 0, last: 0xffff_fffe }];
let datagramPort = 0;
const destination = new DestinationSocket({ address: loopback, port: 1, own: loopback }, {
  buffers: new ReceiveBuffers(),
  open(descriptor) {
    datagramPort = localEndpoint(descriptor).port;
    return Promise.resolve();
  },
  received: (payload, callerPort, destination) => captured.received?.(payload, callerPort, destination),
  refuse() {},
  lost(_destination, why) {
    throw why;
  },
  closed() {},
});
await destination.start();
ports.push(datagramPort);
void held();
await Deno.stdout.write(new TextEncoder().encode(`ready ${ports.join(" ")}\n`));
