/** For tests: a port with personal rules over TCP, in front of a pod and of laptops' programs, which listen on loopback. */
import { BufferPool, Connection, headerValue, relay } from "../../../hbone/mod.ts";
import { memoryPair } from "../../../hbone/testing/memory_transport.ts";
import type { AbortableTransport } from "../../../net/transport.ts";
import type { Match } from "../../../wire/match.ts";
import { Matcher } from "../../routing/matcher.ts";
import { Router } from "../../routing/router.ts";
import { uid } from "../../testing/laptop.ts";
import { carry } from "../intercepted_connection.ts";
import { Places } from "../places.ts";
import type { CarriedOutcome, Upstreams } from "../upstreams.ts";

export interface FrontRule {
  readonly match: Match;
  /** The port that its program listens on. */
  readonly port: number;
}

function transport(conn: Deno.TcpConn): AbortableTransport {
  conn.setNoDelay(true);
  return Object.assign(conn, {
    abort() {
      try {
        conn.close();
      } catch {
        // Closed already.
      }
    },
  });
}

export async function dial(port: number): Promise<AbortableTransport> {
  return transport(await Deno.connect({ hostname: "127.0.0.1", port }));
}

/** @param pod the port that the pod's application listens on */
export function front(pod: number, rules: readonly FrontRule[], streams: Places = new Places(10_000)) {
  const running: Promise<unknown>[] = [];
  const routed = rules.map(({ match, port }, i) => ({
    uid: uid(i + 10),
    port,
    matcher: new Matcher(match),
    isThere: true,
    counts: { seen: 0, taken: 0, declined: 0 },
    isInForce() {
      return this.isThere;
    },
  }));
  const all = routed.map((rule) => ({ ...rule, isInForce: () => rule.isThere, rule }));
  const [theirs, ours] = memoryPair();
  const laptops = new Connection(theirs, {
    role: "server",
    onStream: (stream) => {
      const rule = all.find(({ uid }) => headerValue(stream.request, ":authority") === `${uid}:80`);
      if (!rule) return stream.respond([[":status", "404"]], { end: true });
      running.push(
        dial(rule.port).then((socket) => {
          stream.respond([[":status", "200"]]);
          return relay(socket, stream);
        }, () => stream.respond([[":status", "502"]], { end: true })),
      );
    },
  });
  const tunnel = new Connection(ours, { role: "client" });
  let whole: string | undefined;
  const upstreams: Upstreams = {
    flow: "k3v9t0aq-1f",
    pod: "default/echo-1",
    whole: () => whole,
    router: () => new Router(all.filter(({ uid }) => uid !== whole)),
    unrouted: () => {},
    longHeads: new Places(10),
    streams,
    tunnels: {
      rule: (uid) => ({ uid, port: 80, session: "s", publicKey: "k" }),
      of: (uid) => {
        const isThere = all.some((rule) => rule.uid === uid && rule.rule.isThere);
        return isThere ? [tunnel] : [];
      },
    },
    buffers: new BufferPool(128 * 1024 * 1024),
    classify: () => Promise.resolve("other"),
    dialPod: () => dial(pod),
  };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sockets = new Set<AbortableTransport>();
  const outcomes: CarriedOutcome[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      const socket = transport(conn);
      sockets.add(socket);
      const [caller, destination] = [{ address: "10.244.1.7", port: 1 }, { address: "10.244.1.9", port: 80 }];
      running.push(
        carry({ transport: socket, caller, destination }, upstreams).then((outcome) =>
          outcomes.push(outcome)
        ),
      );
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    upstreams,
    tunnel,
    outcomes,
    counts: routed.map(({ counts }) => counts),
    connections: () => sockets.size,
    /** The laptop of a rule is gone, or back. */
    set(i: number, isThere: boolean) {
      const rule = routed[i];
      if (rule) rule.isThere = isThere;
    },
    /** A rule becomes one for the whole Service. */
    makeWhole(i: number | undefined) {
      whole = i === undefined ? undefined : routed[i]?.uid;
    },
    /** The tunnel of all laptops breaks. */
    breakTunnel: () => laptops.abort(),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const socket of sockets) socket.abort();
      tunnel.abort();
      laptops.abort();
      await Promise.all([tunnel.closed, laptops.closed]);
      await Promise.all(running);
    },
  };
}
