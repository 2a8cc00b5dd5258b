// Relay's part of an intercepted connection, as the node agent has it: sockets that are adopted by descriptor, and its own
// way of a connection. Only what attach gives is missing: there is no pod, and what is dialled is on loopback. Its arguments
// are the laptop's port and the targets'. It prints where it listens for each target: with 1, 10 and 100 personal rules, and
// with a rule for the whole Service.
import { carry } from "../../../agent/relay/intercepted_connection.ts";
import { Places } from "../../../agent/relay/places.ts";
import type { LaptopTunnels, Upstreams } from "../../../agent/relay/upstreams.ts";
import { Matcher } from "../../../agent/routing/matcher.ts";
import { Router } from "../../../agent/routing/router.ts";
import { adoptListener, adoptSocket } from "../../../ffi/sockets/adopt.ts";
import type { AcceptedConnection } from "../../../ffi/sockets/connection_kind.ts";
import { startConnect, tcpListener, tcpSocket } from "../../../ffi/sockets/socket.ts";
import { BufferPool, Connection } from "../../../hbone/mod.ts";
import { type Endpoint, parseAddress } from "../../../net/address.ts";
import { held } from "./held.ts";
import { MATCHING, PORT, RULES_EACH, ruleUid } from "./rules.ts";

const RULES = [1, 10, 100];

const [laptop, ...targets] = Deno.args.map(Number);
const address = parseAddress("127.0.0.1");
if (!address) throw new Error("127.0.0.1 is an address");

const socket = await Deno.connect({ hostname: "127.0.0.1", port: laptop ?? 0 });
socket.setNoDelay();
const tunnel = new Connection(socket, { role: "client" });
const tunnels: LaptopTunnels = {
  of: () => [tunnel],
  rule: (uid) => ({ uid, port: PORT, session: "bench", publicKey: "" }),
};

const buffers = new BufferPool();

function listen(pod: Endpoint, router: Router, whole?: string): number {
  const shared = {
    flow: "k3v9t0aq-1f",
    pod: "default/load-1",
    whole: () => whole,
    router: () => router,
    unrouted: () => {},
    longHeads: new Places(10),
    streams: new Places(16_384),
    tunnels,
    buffers,
    classify: () => Promise.resolve("other"),
    dialPod: () => {
      const fd = tcpSocket(4);
      startConnect(fd, pod);
      return Promise.resolve(adoptSocket(fd));
    },
  } satisfies Upstreams;
  const fd = tcpListener({ address: "127.0.0.1" });
  return adoptListener(fd, (transport) => void carry(connectionOf(transport), shared)).address.port;
}

function connectionOf(transport: AcceptedConnection) {
  const { remote, local } = transport.ends;
  return { transport, caller: plain(remote), destination: plain(local) };
}

function plain({ address, port }: Endpoint) {
  return { address: address.text, port };
}

/** Rules of so many people, each for their own requests; the last one's are those that match. */
function rules(first: number, count: number): Router {
  return new Router(Array.from({ length: count }, (_, i) => ({
    uid: ruleUid(first + i),
    matcher: new Matcher({
      headers: [{ name: MATCHING.name, exact: i === count - 1 ? MATCHING.value : `person-${i}` }],
    }),
    isInForce: () => true,
    counts: { seen: 0, taken: 0, declined: 0 },
  })));
}

const ports = targets.flatMap((port, of) => {
  const [pod, first] = [{ address, port }, of * RULES_EACH];
  return [
    ...RULES.map((count) => listen(pod, rules(first, count))),
    listen(pod, new Router([]), ruleUid(first + RULES_EACH - 1)),
  ];
});
void held();
await Deno.stdout.write(new TextEncoder().encode(`ready ${ports.join(" ")}\n`));
