import assert from "node:assert/strict";
import { Api } from "../client/api.ts";
import { rollout, RolloutError, type RolloutProgress } from "./rollout.ts";
import { type FakeServer, fakeServer, json, status } from "../testing/api_server.ts";

interface Scene {
  /** Of the workload, at each look; the last stays. */
  statuses: object[];
  pods?: object[];
  /** Without them nodes may not be listed. */
  nodes?: object[];
  onNodes?: () => void;
  events?: object[];
  log?: string;
}

function scene({ statuses, pods = [], nodes, onNodes, events = [], log = "" }: Scene): FakeServer {
  let look = 0;
  return fakeServer((_, url) => {
    const { pathname } = url;
    const list = (items: object[]) => json(200, { metadata: { resourceVersion: "1" }, items });
    if (pathname.endsWith("/pods")) {
      assert.equal(url.searchParams.get("labelSelector"), "app=gateway,part=x");
      return list(pods);
    }
    if (pathname.endsWith("/events")) return list(events);
    if (pathname.endsWith("/nodes")) {
      onNodes?.();
      return nodes === undefined ? json(403, status(403, "Forbidden", "no nodes for you")) : list(nodes);
    }
    if (pathname.endsWith("/log")) {
      return log ? new Response(log) : json(403, status(403, "Forbidden", "no logs for you"));
    }
    return json(200, {
      metadata: { generation: 2, uid: "w" },
      spec: { replicas: 2, selector: { matchLabels: { app: "gateway", part: "x" } } },
      status: statuses[Math.min(look++, statuses.length - 1)],
    });
  });
}

function pod(name: string, status: object, metadata: object = {}): object {
  return { metadata: { name, ...metadata }, status };
}

const deployment = { kind: "Deployment", namespace: "pmz", name: "gateway" } as const;
const daemonSet = { ...deployment, kind: "DaemonSet" } as const;
const nothing = { observedGeneration: 2 };
const quick = { pollMs: 5, timeoutMs: 60, patienceMs: 20 };

async function failure(
  server: FakeServer,
  workload: typeof deployment | typeof daemonSet = deployment,
): Promise<RolloutError> {
  using api = new Api(server.source);
  try {
    await rollout(api, workload, quick);
  } catch (error) {
    assert(error instanceof RolloutError, String(error));
    return error;
  }
  assert.fail("it became ready");
}

Deno.test("a Deployment is ready when its newest pods are available and the old ones are gone", async () => {
  const done = { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
  await using server = scene({
    statuses: [
      { ...done, observedGeneration: 1 },
      { ...done, updatedReplicas: 1 },
      { ...done, availableReplicas: 1 },
      { ...done, replicas: 3 },
      done,
    ],
  });
  using api = new Api(server.source);
  const told: RolloutProgress[] = [];
  await rollout(api, deployment, { pollMs: 1, onProgress: (progress) => void told.push(progress) });
  assert.deepEqual(told.map(({ ready, wanted }) => `${ready}/${wanted}`), [
    "2/2",
    "2/2",
    "1/2",
    "2/2",
    "2/2",
  ]);
});

Deno.test("a DaemonSet is ready on every node that wants it, also on none", async () => {
  const half = {
    observedGeneration: 2,
    desiredNumberScheduled: 2,
    updatedNumberScheduled: 2,
    numberAvailable: 1,
  };
  await using server = scene({ statuses: [half, { ...half, numberAvailable: 2 }] });
  using api = new Api(server.source);
  await rollout(api, daemonSet, { pollMs: 1 });
  await using empty = scene({ statuses: [{ observedGeneration: 2, desiredNumberScheduled: 0 }] });
  using other = new Api(empty.source);
  await rollout(other, daemonSet, { pollMs: 1 });
});

const conditionOf = (status: "True" | "False" | "Unknown") => ({ conditions: [{ type: "Ready", status }] });
/** A pod of a DaemonSet on a node, with how that is. */
function onNode(node: string, isReady: boolean): object {
  return {
    metadata: { name: `of-${node}` },
    spec: { nodeName: node },
    status: conditionOf(isReady ? "True" : "False"),
  };
}
const twoOfThree = {
  observedGeneration: 2,
  desiredNumberScheduled: 3,
  updatedNumberScheduled: 3,
  numberAvailable: 2,
};
const threePods = [onNode("a", true), onNode("b", true), onNode("c", false)];

Deno.test("a DaemonSet's pod on a node that isn't ready is not waited for, and the node is named", async () => {
  for (const status of [conditionOf("False"), conditionOf("Unknown"), {}]) {
    await using server = scene({
      statuses: [twoOfThree],
      pods: threePods,
      nodes: [
        { metadata: { name: "a" }, status: conditionOf("True") },
        { metadata: { name: "b" }, status: conditionOf("True") },
        { metadata: { name: "c" }, status },
      ],
    });
    using api = new Api(server.source);
    assert.deepEqual(await rollout(api, daemonSet, { pollMs: 1 }), ["node c isn't ready"]);
  }
});

Deno.test("a DaemonSet's pod that can't be scheduled is known by the node that it is for", async () => {
  const matchFields = [{ key: "metadata.name", operator: "In", values: ["c"] }];
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
    },
  };
  const waiting = { metadata: { name: "of-c" }, spec: { affinity }, status: conditionOf("False") };
  const nodes = ["a", "b", "c"].map((name) => ({
    metadata: { name },
    status: conditionOf(name === "c" ? "Unknown" : "True"),
  }));
  await using server = scene({ statuses: [twoOfThree], pods: [...threePods.slice(0, 2), waiting], nodes });
  using api = new Api(server.source);
  assert.deepEqual(await rollout(api, daemonSet, { pollMs: 1 }), ["node c isn't ready"]);
});

Deno.test("a pod that doesn't become ready on a node that is holds the others up for a while only", async () => {
  await using server = scene({ statuses: [twoOfThree], pods: threePods }); // nodes may not be listed, too
  using api = new Api(server.source);
  const [left] = await rollout(api, daemonSet, quick);
  assert.match(left ?? "", /^pod of-c isn't ready yet/);
});

Deno.test("a node that isn't ready holds up none that becomes so between two lists of nodes", async () => {
  await using server = scene({
    statuses: [{ ...twoOfThree, numberAvailable: 1 }, twoOfThree],
    pods: threePods,
    nodes: [{ metadata: { name: "c" }, status: conditionOf("Unknown") }],
  });
  using api = new Api(server.source);
  let looks = 0;
  assert.deepEqual(await rollout(api, daemonSet, { pollMs: 1, onProgress: () => looks++ }), [
    "node c isn't ready",
  ]);
  assert.equal(looks, 2);
});

Deno.test("the last pod of an update that takes long has as long as the first to become ready", async () => {
  const updating = { ...twoOfThree, updatedNumberScheduled: 1 };
  await using server = scene({
    statuses: [...Array(60).fill(updating), twoOfThree, { ...twoOfThree, numberAvailable: 3 }],
    pods: threePods,
  });
  using api = new Api(server.source);
  assert.deepEqual(await rollout(api, daemonSet, { pollMs: 10, patienceMs: 500 }), []);
});

Deno.test("all nodes of a large cluster are listed once in many looks only", async () => {
  let lists = 0;
  await using server = scene({
    statuses: [...Array(30).fill(twoOfThree), { ...twoOfThree, numberAvailable: 3 }],
    pods: threePods,
    nodes: [{ metadata: { name: "c" }, status: conditionOf("True") }],
    onNodes: () => lists++,
  });
  using api = new Api(server.source);
  assert.deepEqual(await rollout(api, daemonSet, { pollMs: 1 }), []);
  assert.equal(lists, 3);
});

Deno.test("a DaemonSet of which no pod is ready, or whose newest template some pods don't have, isn't done", async () => {
  for (
    const status of [{ ...twoOfThree, numberAvailable: 0 }, { ...twoOfThree, updatedNumberScheduled: 1 }]
  ) {
    await using server = scene({ statuses: [status], pods: threePods });
    await failure(server, daemonSet);
  }
});

Deno.test("an image that can't be pulled is told with its name, and not waited for to the end", async () => {
  const waiting = { reason: "ImagePullBackOff", message: "Back-off pulling image" };
  const status = {
    phase: "Pending",
    containerStatuses: [{ name: "c", image: "nowhere/x:1", state: { waiting } }],
  };
  await using server = scene({
    statuses: [nothing],
    pods: [pod("p", status), pod("old", status, { deletionTimestamp: "now" })],
  });
  using api = new Api(server.source);
  const begun = performance.now();
  await assert.rejects(rollout(api, deployment, { pollMs: 5, timeoutMs: 60_000, patienceMs: 20 }), {
    name: "RolloutError",
    message:
      "Deployment pmz/gateway isn't ready (0 of 2 pods): container c of pod p: the image nowhere/x:1 can't be pulled " +
      "(ImagePullBackOff): Back-off pulling image.",
  });
  assert(performance.now() - begun < 5_000);
});

Deno.test("a crash is told with its exit code and the last line written, or without where logs are forbidden", async () => {
  const status = {
    phase: "Running",
    containerStatuses: [{
      name: "c",
      restartCount: 4,
      state: { waiting: { reason: "CrashLoopBackOff", message: "back-off" } },
      lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
    }],
  };
  await using server = scene({
    statuses: [nothing],
    pods: [pod("p", status)],
    log: "starting\nout of \u001b[31mluck\n",
  });
  assert.deepEqual((await failure(server)).troubles, [
    "container c of pod p ended with code 137 (out of memory), 4 restarts, last it wrote: out of [31mluck",
  ]);
  assert(
    server.asked.some((each) =>
      each.includes("/pods/p/log?container=c&tailLines=5&limitBytes=16384&previous=true")
    ),
  );
  await using silent = scene({ statuses: [nothing], pods: [pod("p", status)] });
  assert.deepEqual((await failure(silent)).troubles, [
    "container c of pod p ended with code 137 (out of memory), 4 restarts",
  ]);
});

Deno.test("a pod that can't be scheduled, a container that can't start and one that isn't ready yet are told", async () => {
  await using server = scene({
    statuses: [nothing],
    pods: [
      pod("a", {
        conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available." }],
      }),
      pod("b", {
        containerStatuses: [{
          name: "c",
          state: { waiting: { reason: "CreateContainerConfigError", message: 'configmap "x" not found' } },
        }],
      }),
      pod("c", {
        phase: "Pending",
        containerStatuses: [{ name: "c", state: { waiting: { reason: "ContainerCreating" } } }],
      }),
      pod("d", { conditions: [{ type: "Ready", status: "True" }] }),
      pod("e", { phase: "Failed", reason: "Evicted", message: "disk pressure" }),
    ],
  });
  assert.deepEqual((await failure(server)).troubles, [
    "pod a can't be scheduled: 0/1 nodes are available",
    'container c of pod b can\'t start (CreateContainerConfigError): configmap "x" not found',
    "pod c isn't ready yet (Pending)",
    "pod e failed: Evicted disk pressure",
  ]);
});

Deno.test("a pod that Pod Security refuses is told, of a Deployment by its condition, of a DaemonSet by its events", async () => {
  const message = 'pods "x" is forbidden: violates PodSecurity "restricted:latest"';
  await using one = scene({
    statuses: [{ ...nothing, conditions: [{ type: "ReplicaFailure", status: "True", message }] }],
  });
  assert.match((await failure(one)).message, /\(0 of 2 pods\): pods are refused: .*violates PodSecurity/);
  await using other = scene({
    statuses: [{ ...nothing, desiredNumberScheduled: 1 }],
    events: [{ message: "old" }, { message }],
  });
  assert.match(
    (await failure(other, daemonSet)).message,
    /\(0 of 1 pods\): pods are refused: pods "x" is forbidden/,
  );
});

Deno.test("waiting ends with the signal's reason", async () => {
  await using server = scene({ statuses: [nothing] });
  using api = new Api(server.source);
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error("enough")), 20);
  await assert.rejects(rollout(api, deployment, { pollMs: 5, signal: stop.signal }), /enough/);
});
