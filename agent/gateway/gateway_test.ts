import { until } from "../../async/testing/until.ts";
import assert from "node:assert/strict";
import { NoOpenFiles } from "../../ffi/testing/open_files.ts";
import { Connection, type Header, headerValue } from "../../hbone/mod.ts";
import { Api } from "../../kube/client/api.ts";
import { parseServer } from "../../kube/client/access.ts";
import { parseProxyStatus } from "../../wire/streams.ts";
import { type GatewayPorts, runGateway } from "./gateway.ts";
import { parseRanges } from "./main.ts";

type Kind = "services" | "pods" | "nodes";

const service = (name: string, clusterIP: string) => ({
  metadata: { namespace: "default", name, uid: name },
  spec: { clusterIP, clusterIPs: [clusterIP], externalIPs: ["10.0.0.5"], ports: [{ port: 80 }] },
});
const pod = (name: string, ip: string, more: { hostNetwork?: boolean; phase?: string } = {}) => ({
  metadata: { namespace: "default", name, uid: name },
  spec: { containers: [{ name: "app" }], hostNetwork: more.hostNetwork ?? false },
  status: { phase: more.phase ?? "Running", podIP: ip, podIPs: [{ ip }] },
});
const node = (name: string, address: string) => ({
  metadata: { name, uid: name },
  status: { addresses: [{ type: "InternalIP", address }, { type: "Hostname", address: name }] },
});

/** The part of an API server that the gateway talks to. */
function apiServer(objects: Record<Kind, unknown[]>, forbidden?: Kind) {
  const watches: Partial<Record<Kind, ReadableStreamDefaultController<Uint8Array>>> = {};
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const url = new URL(request.url);
    const kind = url.pathname.split("/").at(-1) as Kind;
    if (kind === forbidden) return Response.json({ reason: "Forbidden", message: "no" }, { status: 403 });
    if (!url.searchParams.has("watch")) {
      return Response.json({ metadata: { resourceVersion: "1" }, items: objects[kind] });
    }
    return new Response(
      new ReadableStream({
        start: (controller) => void (watches[kind] = controller),
        cancel: () => void delete watches[kind],
      }),
    );
  });
  return {
    access: () =>
      Promise.resolve({ ...parseServer(`http://127.0.0.1:${server.addr.port}`), caCerts: [], headers: {} }),
    /** Once all kinds are watched: their connections are there then. */
    watched: () => until("all kinds are watched", () => Object.keys(watches).length === 3),
    tell(kind: Kind, type: "ADDED" | "MODIFIED" | "DELETED", object: unknown) {
      watches[kind]?.enqueue(new TextEncoder().encode(JSON.stringify({ type, object }) + "\n"));
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A gateway that runs on a free port, and a tunnel to it. */
async function gateway(cluster: ReturnType<typeof apiServer>, ranges = "") {
  const api = new Api(cluster);
  const stop = new AbortController();
  const ready = Promise.withResolvers<GatewayPorts>();
  const lines: string[] = [];
  const running = runGateway({
    api,
    ports: { tunnel: 0, lanes: 0 },
    ranges: parseRanges(ranges),
    log: (_level, message) => void lines.push(message),
    onReady: ready.resolve,
    signal: stop.signal,
  });
  const ports = await Promise.race([
    ready.promise,
    running.then(() => Promise.reject(new Error("it ended"))),
  ]);
  const transport = await Deno.connect({ hostname: "127.0.0.1", port: ports.tunnel });
  const laptop = new Connection(transport, { role: "client" });
  return {
    ports,
    laptop,
    lines,
    stop,
    running,
    async ask(target: string): Promise<string> {
      const stream = laptop.open([[":method", "CONNECT"], [":authority", target]]);
      const response: readonly Header[] = await stream.response;
      stream.abort();
      const { error = "" } = parseProxyStatus(headerValue(response, "proxy-status") ?? "") ?? {};
      return `${headerValue(response, ":status")} ${error}`.trim();
    },
    async [Symbol.asyncDispose]() {
      await laptop[Symbol.asyncDispose]();
      stop.abort();
      await running;
      api[Symbol.dispose]();
    },
  };
}

Deno.test("nodes, pods on the host network, pods that ended, externalIPs and unknown addresses are refused", async () => {
  await using cluster = apiServer({
    services: [service("kube-dns", "10.96.0.10")],
    pods: [
      pod("kube-proxy", "10.77.1.1", { hostNetwork: true }),
      pod("done", "10.244.0.9", { phase: "Succeeded" }),
    ],
    nodes: [node("node-1", "10.77.1.1"), node("node-2", "10.77.1.2")],
  });
  await using to = await gateway(cluster, "10.77.0.0/16");
  const prohibited = "403 destination_ip_prohibited";
  for (
    const target of ["10.77.1.1:10250", "10.77.1.2:6443", "10.0.0.5:80", "10.244.0.9:80", "10.99.0.1:80"]
  ) {
    assert.equal(await to.ask(target), prohibited, target);
  }
  assert.deepEqual(to.lines.filter((line) => line === "a flow failed").length, 5);
});

Deno.test("a stream that waits for an address is decided as soon as the address is known", async () => {
  await using cluster = apiServer({ services: [], pods: [], nodes: [node("node-1", "10.77.1.1")] });
  await using to = await gateway(cluster);
  const asked = performance.now();
  const answer = to.ask("10.77.1.9:80");
  setTimeout(() => cluster.tell("nodes", "ADDED", node("node-9", "10.77.1.9")), 100);
  assert.equal(await answer, "403 destination_ip_prohibited");
  const ms = performance.now() - asked;
  assert(ms > 90 && ms < 900, `answered as soon as the address became known, after ${ms} ms`);
});

Deno.test("without free descriptors open tunnels stay, and new ones are accepted later", async () => {
  await using cluster = apiServer({ services: [], pods: [], nodes: [node("node-1", "10.77.1.1")] });
  await using to = await gateway(cluster);
  await cluster.watched();
  let waiting: Deno.TcpConn;
  {
    using none = new NoOpenFiles();
    none.giveBack();
    waiting = await Deno.connect({ hostname: "127.0.0.1", port: to.ports.tunnel }); // which takes it
    await until("it says that it can't accept", () => to.lines.includes("can't accept a tunnel"));
  }
  await using tunnel = new Connection(waiting, { role: "client" });
  await tunnel.ping(10_000);
  await to.laptop.ping(10_000);
});

Deno.test("without the rights to list the gateway doesn't start, and says which are missing", async () => {
  await using cluster = apiServer({ services: [], pods: [], nodes: [] }, "nodes");
  await assert.rejects(gateway(cluster), /list nodes/);
});

Deno.test("after the signal it drains its tunnels and ends", async () => {
  await using cluster = apiServer({ services: [], pods: [], nodes: [] });
  await using to = await gateway(cluster);
  await to.laptop.ping(1_000);
  to.stop.abort();
  assert.equal((await to.laptop.closed).kind, "clean");
  await to.running;
});
