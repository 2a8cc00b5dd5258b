import { until } from "../async/testing/until.ts";
import assert from "node:assert/strict";
import { Api } from "../kube/client/api.ts";
import { fakeServer, json, status } from "../kube/testing/api_server.ts";
import { PAYLOAD_ANNOTATION, VERSIONS_ANNOTATION } from "../wire/places.ts";
import type { InstallStep } from "../wire/installer.ts";
import { agentVersions } from "../wire/agent_versions.ts";
import { AgentInstaller } from "./installer.ts";
import { pack, type Payload } from "../wire/payload.ts";

type Json = Record<string, unknown>;

const kinds: Record<string, [kind: string, plural: string, namespaced: boolean][]> = {
  "/api/v1": [["Namespace", "namespaces", false], ["ServiceAccount", "serviceaccounts", true], [
    "ConfigMap",
    "configmaps",
    true,
  ]],
  "/apis/apps/v1": [["Deployment", "deployments", true], ["DaemonSet", "daemonsets", true]],
  "/apis/networking.k8s.io/v1": [["NetworkPolicy", "networkpolicies", true]],
  "/apis/rbac.authorization.k8s.io/v1": [["Role", "roles", true], ["ClusterRole", "clusterroles", false], [
    "ClusterRoleBinding",
    "clusterrolebindings",
    false,
  ]],
  "/apis/apiextensions.k8s.io/v1": [["CustomResourceDefinition", "customresourcedefinitions", false]],
  "/apis/admissionregistration.k8s.io/v1": [
    ["ValidatingAdmissionPolicy", "validatingadmissionpolicies", false],
    ["ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", false],
  ],
};

/** A cluster as far as installing needs one: keeps what is applied; workloads are ready as soon as they are. */
function cluster(
  options: { minor?: string; forbidden?: (path: string) => boolean; broken?: () => boolean } = {},
) {
  const objects = new Map<string, Json>();
  let version = 0;
  const server = fakeServer(async (request) => {
    const { pathname } = new URL(request.url);
    if (options.forbidden?.(pathname)) return json(403, status(403, "Forbidden", "no"));
    if (pathname === "/version") return json(200, { major: "1", minor: options.minor ?? "34" });
    const known = kinds[pathname];
    if (known) {
      const resources = known.map(([kind, name, namespaced]) => ({ kind, name, namespaced }));
      return json(200, { resources });
    }
    const there = objects.get(pathname);
    if (request.method === "PATCH") {
      const body = await request.json() as Json;
      const before = JSON.stringify({ ...there, metadata: undefined, status: undefined });
      const after = JSON.stringify({ ...body, metadata: undefined, status: undefined });
      const resourceVersion = there && before === after
        ? (there.metadata as Json).resourceVersion
        : String(++version);
      const metadata = { ...body.metadata as Json, uid: pathname, resourceVersion, generation: 1 };
      objects.set(pathname, {
        ...body,
        metadata,
        status: statusOf(String(body.kind), options.broken?.() ?? false),
      });
      return json(200, objects.get(pathname));
    }
    if (request.method === "DELETE") {
      objects.delete(pathname);
      return json(200, {});
    }
    if (there) return json(200, there);
    const items = [...objects].filter(([path]) => path.startsWith(`${pathname}/`)).map(([, object]) =>
      object
    );
    if (/\/(configmaps|nodes|pods|rolebindings)$/.test(pathname)) return json(200, { metadata: {}, items });
    return json(404, status(404, "NotFound", "not found"));
  });
  const api = new Api(server.source);
  return {
    api,
    objects,
    asked: server.asked,
    async [Symbol.asyncDispose]() {
      api[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function statusOf(kind: string, broken: boolean): Json {
  const n = broken ? 0 : 1;
  switch (kind) {
    case "Deployment":
      return { observedGeneration: 1, updatedReplicas: n, availableReplicas: n, replicas: n };
    case "DaemonSet":
      return {
        observedGeneration: 1,
        desiredNumberScheduled: 1,
        updatedNumberScheduled: n,
        numberAvailable: n,
      };
    case "CustomResourceDefinition":
      return { conditions: [{ type: "Established", status: "True" }] };
    default:
      return {};
  }
}

async function installer(code = "1") {
  const payload: Payload = await pack({ "agent.js": new TextEncoder().encode(code) });
  const installer = new AgentInstaller({
    architectures: () => Promise.resolve(["amd64"]),
    payload: () => Promise.resolve(payload),
  });
  return {
    digest: payload.digest,
    install: installer.install.bind(installer),
    ready: installer.ready.bind(installer),
    status: installer.status.bind(installer),
    uninstall: installer.uninstall.bind(installer),
  };
}

const gatewayPath = "/apis/apps/v1/namespaces/pmz/deployments/gateway";
const nodePath = "/apis/apps/v1/namespaces/pmz-node/daemonsets/node-agent";
const never = new AbortController().signal;
const quiet = () => {};

/** Installs the gateway, and gives up while it is waited for. */
async function interrupted(install: AgentInstaller["install"], api: Api): Promise<void> {
  const stop = new AbortController();
  const onStep: InstallStep = ({ step, detail }) => {
    if (step.startsWith("wait for") && detail !== undefined) stop.abort();
  };
  await assert.rejects(install(api, ["gateway"], {}, onStep, stop.signal));
}

function annotate(object: Json | undefined, annotations: Json): void {
  assert(object);
  object.metadata = { ...object.metadata as Json, annotations };
}

Deno.test("both components are installed step by step, and their status says that they are ours", async () => {
  await using to = cluster();
  const { install, status, digest } = await installer();
  const steps: string[] = [];
  await install(
    to.api,
    ["gateway", "node"],
    {},
    ({ step, ms }) => void (ms === undefined || steps.push(step)),
    never,
  );
  assert.deepEqual(steps, [
    "apply the gateway",
    "wait for the gateway",
    "apply the node agent",
    "wait for the node agent",
  ]);
  for (const each of await status(to.api, ["gateway", "node"])) {
    assert.equal(each.state, "ready");
    assert.equal(each.payload, digest);
    assert.equal(each.ours, true);
    assert.deepEqual(each.pods, { ready: 1, all: 1 });
  }
});

Deno.test("an agent that runs and speaks our protocols is kept with any payload; force replaces it", async () => {
  await using to = cluster();
  const [old, own] = [await installer("old"), await installer("new")];
  await old.install(to.api, ["gateway"], {}, quiet, never);
  to.asked.length = 0;
  await own.install(to.api, ["gateway"], {}, quiet, never);
  assert(!to.asked.some((line) => /^(PATCH|DELETE|POST)/.test(line)), "nothing is written");
  const [kept] = await own.status(to.api, ["gateway"]);
  assert.equal(kept?.ours, false);
  assert.equal(kept?.state, "ready");
  await own.install(to.api, ["gateway"], { force: true }, quiet, never);
  const maps = [...to.objects.keys()].filter((path) => path.includes("/configmaps/"));
  assert.equal(maps.length, 1, "the old payload is gone");
  assert.equal((await own.status(to.api, ["gateway"]))[0]?.ours, true);
});

/** Nodes with these kernels, as the cluster lists them. */
function putNodes(objects: Map<string, Json>, kernels: readonly string[]): void {
  kernels.forEach((kernelVersion, index) =>
    objects.set(`/api/v1/nodes/node-${index}`, { status: { nodeInfo: { kernelVersion } } })
  );
}

for (
  const [kernels, added] of [
    [["6.1.0-18-amd64", "5.10.224-212.876.amzn2.x86_64"], true],
    [["5.11.0", "5.15.0-1061-azure", "6.12.0", ""], false],
  ] as const
) {
  Deno.test(`attach on nodes with ${kernels.join(", ")}: ${added ? "with" : "without"} SYS_RESOURCE`, async () => {
    await using to = cluster();
    putNodes(to.objects, kernels);
    const { install } = await installer();
    await install(to.api, ["node"], {}, quiet, never);
    assert.equal(JSON.stringify(to.objects.get(nodePath)).includes("SYS_RESOURCE"), added);
  });
}

Deno.test("an old kernel of a virtual node, which has no node agent, asks for no SYS_RESOURCE", async () => {
  const kinds = [
    { "eks.amazonaws.com/compute-type": "fargate" },
    { type: "virtual-kubelet" },
    { type: "kwok" },
  ];
  await using to = cluster();
  kinds.forEach((labels, index) =>
    to.objects.set(`/api/v1/nodes/virtual-${index}`, {
      metadata: { labels },
      status: { nodeInfo: { kernelVersion: "5.10.224-212.876.amzn2.x86_64" } },
    })
  );
  const { install } = await installer();
  await install(to.api, ["node"], {}, quiet, never);
  assert.doesNotMatch(JSON.stringify(to.objects.get(nodePath)), /SYS_RESOURCE/);
});

Deno.test("who may not list nodes installs the node agent without SYS_RESOURCE", async () => {
  await using to = cluster({ forbidden: (path) => path === "/api/v1/nodes" });
  const { install } = await installer();
  await install(to.api, ["node"], {}, quiet, never);
  assert.doesNotMatch(JSON.stringify(to.objects.get(nodePath)), /SYS_RESOURCE/);
});

/** Says of an installed agent which versions it speaks. */
function speaks(object: Json | undefined, versions: string): void {
  annotate(object, { [PAYLOAD_ANNOTATION]: "sha256:00", [VERSIONS_ANNOTATION]: versions });
}

for (
  const [versions, message] of [
    ["tunnel=9-8", /is newer than this pmz .* Update pmz, or .*--force/],
    ["tunnel=0-0", /is older than this pmz .* have an older pmz, too.*--force/],
    ["", /is older than this pmz/],
  ] as const
) {
  Deno.test(`an agent that speaks "${versions}" is replaced by force alone, since others use it`, async () => {
    await using to = cluster();
    const { install, status } = await installer();
    await install(to.api, ["gateway"], {}, quiet, never);
    speaks(to.objects.get(gatewayPath), versions);
    assert.equal((await status(to.api, ["gateway"]))[0]?.state, "incompatible");
    await assert.rejects(install(to.api, ["gateway"], {}, quiet, never), message);
    await install(to.api, ["gateway"], { force: true }, quiet, never);
    assert.equal((await status(to.api, ["gateway"]))[0]?.state, "ready");
  });
}

Deno.test("an agent whose versions this pmz's own agent has, and newer ones, is updated", async () => {
  await using to = cluster();
  const { install, status } = await installer();
  await install(to.api, ["node"], {}, quiet, never);
  speaks(to.objects.get(nodePath), "reversed-tunnel=1-1,rules=1-1");
  const [before] = await status(to.api, ["node"]);
  assert.deepEqual([before?.state, before?.ours, before?.outdated], ["ready", false, true]);
  await install(to.api, ["node"], {}, quiet, never);
  const [after] = await status(to.api, ["node"]);
  assert.deepEqual([after?.ours, after?.outdated, after?.versions], [true, false, agentVersions.node]);
});

Deno.test("an agent that speaks more than this pmz is kept, and waited for where it doesn't run", async () => {
  await using to = cluster({ broken: () => true });
  const { install } = await installer();
  await interrupted(install, to.api);
  speaks(to.objects.get(gatewayPath), "tunnel=9-1");
  to.asked.length = 0;
  await interrupted(install, to.api);
  assert(!to.asked.some((line) => /^(PATCH|DELETE|POST)/.test(line)), "nothing is written");
});

Deno.test("an agent that doesn't run is repaired by the next installation", async () => {
  let broken = true;
  await using to = cluster({ broken: () => broken });
  const { install, status } = await installer();
  await interrupted(install, to.api);
  const [starting] = await status(to.api, ["gateway"]);
  assert.equal(starting?.state, "starting");
  assert(starting?.why);
  broken = false;
  await install(to.api, ["gateway"], {}, quiet, never);
  assert.equal((await status(to.api, ["gateway"]))[0]?.state, "ready");
});

Deno.test("an agent that is starting is waited for until it is ready", async () => {
  let broken = true;
  await using to = cluster({ broken: () => broken });
  const { install, ready, status } = await installer();
  await interrupted(install, to.api);
  const details: (string | undefined)[] = [];
  const waiting = ready(to.api, "gateway", ({ detail }) => void details.push(detail), never);
  await until("it is waited for", () => details.some((each) => each?.includes("0 of 1 pods ready")));
  broken = false;
  const gateway = to.objects.get(gatewayPath);
  assert(gateway);
  gateway.status = statusOf("Deployment", false);
  await waiting;
  assert.equal((await status(to.api, ["gateway"]))[0]?.state, "ready");
});

Deno.test("a payload gets another name when a ConfigMap with its name has other contents", async () => {
  await using to = cluster();
  const { install } = await installer();
  await install(to.api, ["gateway"], {}, quiet, never);
  const [path = ""] = [...to.objects.keys()].filter((each) => each.includes("/configmaps/"));
  const forged = to.objects.get(path);
  assert(forged);
  forged.binaryData = { "0": "AAAA" };
  await install(to.api, ["gateway"], { force: true }, quiet, never);
  const maps = [...to.objects.keys()].filter((each) => each.includes("/configmaps/"));
  assert.equal(maps.length, 1);
  assert.notEqual(maps[0], path);
  assert(JSON.stringify(to.objects.get(gatewayPath)).includes(maps[0]?.split("/").at(-1) ?? "none"));
});

Deno.test("the node agent's namespace must belong to pmz alone", async () => {
  const strangers: [string, Json, RegExp][] = [
    [
      "/api/v1/namespaces/pmz-node/pods/cron",
      { metadata: { name: "cron", labels: { app: "cron" } } },
      /other pods: cron\./,
    ],
    [
      "/apis/rbac.authorization.k8s.io/v1/namespaces/pmz-node/rolebindings/devs",
      {
        metadata: { name: "devs" },
        roleRef: { kind: "ClusterRole", name: "edit" },
        subjects: [{ kind: "Group" }],
      },
      /other RoleBindings: devs\./,
    ],
  ];
  for (const [path, object, why] of strangers) {
    await using to = cluster();
    to.objects.set(path, object);
    const { install } = await installer();
    await assert.rejects(install(to.api, ["node"], {}, quiet, never), why);
    assert(!to.objects.has(nodePath));
  }
  await using to = cluster();
  to.objects.set("/apis/rbac.authorization.k8s.io/v1/namespaces/pmz-node/rolebindings/devs", {
    metadata: { name: "devs" },
    roleRef: { kind: "Role", name: "pmz-intercept" },
    subjects: [{ kind: "Group" }],
  });
  await (await installer()).install(to.api, ["node"], {}, quiet, never);
  assert(to.objects.has(nodePath));
});

Deno.test("a cluster before 1.30 gets no admission policy", async () => {
  await using to = cluster({ minor: "27+" });
  await (await installer()).install(to.api, ["node"], {}, quiet, never);
  assert(to.objects.has(nodePath));
  assert(![...to.objects.keys()].some((path) => path.includes("admission")));
});

Deno.test("uninstalling removes everything that was installed, and may be repeated", async () => {
  await using to = cluster();
  const { install, uninstall, status } = await installer();
  await install(to.api, ["gateway", "node"], {}, quiet, never);
  await uninstall(to.api, ["gateway", "node"], quiet, never);
  assert.deepEqual([...to.objects.keys()], []);
  await uninstall(to.api, ["gateway", "node"], quiet, never);
  assert.deepEqual((await status(to.api, ["gateway", "node"])).map(({ state }) => state), [
    "absent",
    "absent",
  ]);
});

Deno.test("without the right to read it a component is unknown, not absent", async () => {
  await using to = cluster({ forbidden: (path) => path.includes("/deployments") });
  const [gateway, node] = await (await installer()).status(to.api, ["gateway", "node"]);
  assert.equal(gateway?.state, "unknown");
  assert.equal(node?.state, "absent");
});

Deno.test("a namespace that existed before is not deleted, nor what else it contains", async () => {
  await using to = await cluster();
  to.objects.set("/api/v1/namespaces/pmz", {
    metadata: { name: "pmz", uid: "u", labels: { team: "infra" } },
  });
  const { install, uninstall } = await installer();
  await install(to.api, ["gateway"], {}, quiet, never);
  await install(to.api, ["gateway"], { force: true }, quiet, never);
  await uninstall(to.api, ["gateway"], quiet, never);
  assert.deepEqual([...to.objects.keys()], ["/api/v1/namespaces/pmz"]);
});
