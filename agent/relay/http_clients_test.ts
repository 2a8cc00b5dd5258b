/** Clients and servers that nobody here wrote, over TCP: node:http and Deno's fetch, node:http and Deno.serve. */
import assert from "node:assert/strict";
import { Agent, createServer, request, type Server as NodeServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BufferPool, Connection, headerValue, relay } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Matcher } from "../routing/matcher.ts";
import { Router } from "../routing/router.ts";
import { uid } from "../testing/laptop.ts";
import { carry } from "./intercepted_connection.ts";
import { Places } from "./places.ts";
import type { Upstreams } from "./upstreams.ts";

const COUNT = 200;
const rule = uid(10);

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

const dial = async (port: number) => transport(await Deno.connect({ hostname: "127.0.0.1", port }));

/** A server of node:http that says its name and what it got. */
async function nodeServer(name: string): Promise<NodeServer> {
  const server = createServer(async (asked, answer) => {
    let text = "";
    for await (const piece of asked) text += piece;
    const said = `${name} ${asked.method} ${asked.url} ${text.length}`;
    if (asked.url?.startsWith("/length")) answer.setHeader("content-length", said.length);
    answer.end(said);
  });
  server.on("checkContinue", (asked, answer) => {
    answer.writeContinue();
    server.emit("request", asked, answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A port with a rule for "x-user: alice", in front of a pod; says how many connections came. */
function front(pod: number, laptop: number) {
  const [theirs, ours] = memoryPair();
  const running: Promise<unknown>[] = [];
  const daemon = new Connection(theirs, {
    role: "server",
    onStream: (stream) => {
      assert.equal(headerValue(stream.request, ":authority"), `${rule}:80`);
      running.push(
        dial(laptop).then((socket) => {
          stream.respond([[":status", "200"]]);
          return relay(socket, stream);
        }),
      );
    },
  });
  const tunnel = new Connection(ours, { role: "client" });
  const matcher = new Matcher({ headers: [{ name: "x-user", exact: "alice" }] });
  const router = new Router([{
    uid: rule,
    matcher,
    isInForce: () => true,
    counts: { seen: 0, taken: 0, declined: 0 },
  }]);
  const upstreams: Upstreams = {
    flow: "k3v9t0aq-1f",
    pod: "default/echo-1",
    whole: () => undefined,
    router: () => router,
    unrouted: () => {},
    longHeads: new Places(10),
    streams: new Places(1_000),
    tunnels: {
      rule: (uid) => ({ uid, port: 80, session: "s", publicKey: "k" }),
      of: () => [tunnel] as unknown as ReturnType<Upstreams["tunnels"]["of"]>,
    },
    buffers: new BufferPool(),
    classify: () => Promise.resolve("other"),
    dialPod: () => dial(pod),
  };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sockets = new Set<AbortableTransport>();
  const accepting = (async () => {
    for await (const conn of listener) {
      const socket = transport(conn);
      sockets.add(socket);
      const [caller, destination] = [{ address: "10.244.1.7", port: 1 }, { address: "10.244.1.9", port: 80 }];
      running.push(carry({ transport: socket, caller, destination }, upstreams));
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const socket of sockets) socket.abort();
      tunnel.abort();
      daemon.abort();
      await Promise.all([tunnel.closed, daemon.closed]);
      await Promise.all(running);
    },
  };
}

const portOf = (server: NodeServer) => (server.address() as AddressInfo).port;
const closed = (server: NodeServer) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** What is asked: `i` decides method, body, framing and whose it is. */
function question(i: number) {
  const isHers = i % 3 === 0;
  const body = i % 4 < 2 ? undefined : "x".repeat(i % 4 === 2 ? 10 : 100_000);
  const method = body === undefined ? "GET" : "POST";
  const path = `/${i % 2 === 0 ? "length" : "chunks"}/${i}`;
  return { isHers, body, method, path, expected: `${method} ${path} ${body?.length ?? 0}` };
}

Deno.test("node:http and its keep-alive agent get each answer from the right server, on kept connections", async () => {
  const [pod, laptop] = [await nodeServer("pod"), await nodeServer("laptop")];
  {
    await using at = front(portOf(pod), portOf(laptop));
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const ask = (i: number) =>
      new Promise<void>((resolve, reject) => {
        const { isHers, body, method, path, expected } = question(i);
        const headers = {
          ...(isHers ? { "X-User": "alice" } : {}),
          ...(body !== undefined && i % 8 === 3 ? { expect: "100-continue" } : {}),
        };
        const asked = request(
          { host: "127.0.0.1", port: at.port, agent, method, path, headers },
          async (answer) => {
            let text = "";
            for await (const piece of answer) text += piece;
            assert.equal(text, `${isHers ? "laptop" : "pod"} ${expected}`);
            resolve();
          },
        );
        asked.on("error", reject);
        if (headers.expect) asked.on("continue", () => asked.end(body));
        else asked.end(body);
        if (headers.expect) asked.flushHeaders();
      });
    await Promise.all(Array.from({ length: COUNT }, (_, i) => ask(i)));
    assert.equal(at.connections(), 4);
    agent.destroy();
  }
  await Promise.all([closed(pod), closed(laptop)]);
});

Deno.test("Deno's fetch gets each answer from the right server, Deno.serve and node:http", async () => {
  const laptop = await nodeServer("laptop");
  await using pod = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (asked) => {
    const { pathname } = new URL(asked.url);
    return new Response(`pod ${asked.method} ${pathname} ${(await asked.text()).length}`);
  });
  {
    await using at = front(pod.addr.port, portOf(laptop));
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 4 });
    const ask = async (i: number) => {
      const { isHers, body, method, path, expected } = question(i);
      const headers: Record<string, string> = isHers ? { "x-user": "alice" } : {};
      const answer = await fetch(`http://127.0.0.1:${at.port}${path}`, {
        method,
        headers,
        client,
        ...(body === undefined ? {} : { body }),
      });
      assert.equal(await answer.text(), `${isHers ? "laptop" : "pod"} ${expected}`);
    };
    for (let i = 0; i < COUNT; i += 8) await Promise.all(Array.from({ length: 8 }, (_, j) => ask(i + j)));
    assert.ok(at.connections() < COUNT, `${at.connections()} connections`);
  }
  await closed(laptop);
});
