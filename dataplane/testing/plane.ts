/** A data plane for tests: its workers run in this thread, and its agents are dialled in memory. */
import assert from "node:assert/strict";
import type { ListenerFamilies } from "../../ffi/proc/listener_family.ts";
import { SocketPrograms } from "../../ffi/proc/socket_program.ts";
import { localEndpoint } from "../../ffi/sockets/socket.ts";
import { Connection, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import { until } from "../../async/testing/until.ts";
import { threadOf } from "../../threads/testing/worker_thread.ts";
import type { WorkerThread } from "../../threads/worker.ts";
import type { Flow } from "../../wire/flow.ts";
import {
  type AgentPlace,
  DataPlane,
  type DataPlaneParts,
  type NodeAgent,
  type TunnelNews,
} from "../plane.ts";
import type { DialAgent } from "../tunnel/dial_agent.ts";
import { startDataWorker } from "../worker.ts";
import { echo, fakeGateway } from "./gateway.ts";

const access = { tls: false, hostname: "", port: 0, pathPrefix: "", caCerts: [], headers: {} };
const place = (pod: string): AgentPlace => ({ access, namespace: "pmz", pod, port: 1 });

export const RULE = "4dd3c45c-2ea0-4d2f-a5a8-b0e8c1a3c0de";
export const AGENT: NodeAgent = {
  pod: "node-a",
  uid: RULE.replace("4", "1"),
  node: "a",
  session: RULE.replace("4", "2"),
};

/** A data worker that runs in this thread. */
export function workerThread(
  dial: DialAgent,
  families: Pick<ListenerFamilies, "isFrom"> = { isFrom: () => Promise.resolve(false) },
): WorkerThread {
  const channel = new MessageChannel();
  // A busy machine may need longer than a program is looked for while its connection waits.
  startDataWorker(channel.port2, dial, new SocketPrograms(5_000), families);
  return threadOf(channel);
}

/** A data plane whose gateway does `onStream` with each stream; an echo by default. */
export function startPlane(
  options: {
    parts?: Partial<DataPlaneParts>;
    onStream?: (stream: Stream) => void;
    workers?: number;
    families?: Pick<ListenerFamilies, "isFrom">;
  } = {},
) {
  const gateway = fakeGateway({ onStream: options.onStream ?? echo });
  const agents: Connection[] = [];
  const news: TunnelNews[] = [];
  const failed: { flow: Flow; omitted: number }[] = [];
  const dial: DialAgent = (place, signal) => {
    if (place.pod === "gateway-1") return gateway.dial(signal);
    const [ours, theirs] = memoryPair();
    agents.push(new Connection(theirs, { role: "client" }));
    return Promise.resolve(ours);
  };
  const plane = new DataPlane({
    startWorker: () => workerThread(dial, options.families),
    workers: options.workers ?? 1,
    gateway: () => Promise.resolve(place("gateway-1")),
    agent: (_, agent) => Promise.resolve(place(agent.pod)),
    prove: () => Promise.resolve(undefined),
    whyUnserved: () => undefined,
    tunnel: (one) => void news.push(one),
    flowFailed: (flow, omitted) => void failed.push({ flow, omitted }),
    log() {},
    died: (error) => assert.fail(error),
    ...options.parts,
  });
  return {
    plane,
    gateway,
    /** The agents' ends of reversed tunnels. */
    agents,
    news,
    /** Failed flows, as they are reported. */
    failed,
    /** Listens for captured connections; what is dialled counts as steered there by the helper. */
    async listen(address = "127.0.0.1") {
      const descriptors = await plane.listen(address);
      const ports = descriptors.map((descriptor) => localEndpoint(descriptor).port);
      const [port] = ports;
      assert.ok(port !== undefined);
      return { port, ports, dial: (to = port) => Deno.connect({ hostname: address, port: to }) };
    },
    /** Connects a cluster that has these addresses; settles when the tunnel is up. */
    async reach(addresses: Record<string, string> = {}, cluster = "dev") {
      await plane.connect(cluster);
      await plane.changeAddresses({ cluster, added: new Map(Object.entries(addresses)), removed: [] });
      await plane.setCaptured(cluster, true);
      await plane.reach(cluster);
      await until("the tunnel is up", () => news.some((one) => one.state === "connected"));
    },
    async [Symbol.asyncDispose]() {
      for (const cluster of ["dev", "other"]) await plane.disconnect(cluster);
      await plane.unlisten();
      await plane.endProxy();
      plane[Symbol.dispose]();
      await gateway[Symbol.asyncDispose]();
      await Promise.all(agents.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
