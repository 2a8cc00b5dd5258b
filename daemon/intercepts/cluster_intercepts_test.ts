import assert from "node:assert/strict";
import { parseService, type Pod, type Service } from "../../kube/objects/objects.ts";
import { parsePod } from "../../kube/objects/objects.ts";
import { until } from "../../async/testing/until.ts";
import { GROUP, VERSION } from "../../wire/intercept.ts";
import type { Match } from "../../wire/match.ts";
import { type Challenge, signedBytes } from "../../wire/key_proof.ts";
import { helloOf } from "../../wire/hello.ts";
import { AgentPods } from "../discovery/agent_pods.ts";
import { FakeApi, forbidden, uid } from "../testing/cluster.ts";
import { ClusterIntercepts, type InterceptData } from "./cluster_intercepts.ts";
import type { InterceptTarget } from "./target.ts";

const local = { host: "127.0.0.1", port: 8081 };
const hello = helloOf("reversed-tunnel");

function service(name: string, namespace = "default"): Service {
  return parseService({
    metadata: { namespace, name, uid: uid(`${namespace}/${name}`) },
    spec: { selector: { app: name }, ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  });
}

function pod(name: string, app: string, node: string): Pod {
  return parsePod({
    metadata: { namespace: "default", name, uid: uid(name), labels: { app } },
    spec: { nodeName: node, containers: [] },
    status: {
      phase: "Running",
      podIP: "10.244.0.5",
      conditions: [{ type: "Ready", status: "True" }],
    },
  });
}

const targetOf = (service: Service): InterceptTarget => {
  const [port] = service.ports;
  assert.ok(port);
  return { service, port };
};
const echo = targetOf(service("echo"));
const AGENTS = { a: uid("agent-a"), b: uid("agent-b"), c: uid("agent-c") };

/** Intercepts in a fake cluster with an agent on each of three nodes, and pods of echo on two of them. */
function intercepting(changes: { uid?: string | undefined } = {}) {
  const cluster = new FakeApi();
  const agents = new AgentPods(cluster.api, { namespace: "pmz-node", selector: "x=y", log: () => {} });
  for (const [node, uid] of Object.entries(AGENTS)) {
    cluster.put("/api/v1", "pods", {
      metadata: { name: `agent-${node}`, namespace: "pmz-node", uid },
      spec: { nodeName: node, containers: [] },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    });
  }
  const told: InterceptData[] = [];
  const pods = new Map([["default/e1", pod("e1", "echo", "a")], ["default/e2", pod("e2", "echo", "b")]]);
  const topology = { services: new Map([["default/echo", echo.service]]), pods };
  const intercepts = new ClusterIntercepts(
    {
      id: "dev",
      api: cluster.api,
      name: { context: "dev", server: cluster.url, namespace: "default", user: "jo" },
      uid: uid("kube-system"),
      caHash: "ca".repeat(32),
      topology,
      nodeAgents: () => agents,
      ...changes,
    },
    () => {},
    (data) => void told.push(data),
  );
  return {
    cluster,
    intercepts,
    told,
    topology,
    async [Symbol.asyncDispose]() {
      await intercepts[Symbol.asyncDispose]();
      await agents[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

/** The key of the session that is there. */
async function publicKey(cluster: FakeApi): Promise<CryptoKey> {
  const [[, session] = assert.fail()] = cluster.all("interceptsessions");
  const { publicKey } = (session as { spec?: { publicKey?: string } }).spec ?? {};
  const spki = Uint8Array.fromBase64(publicKey ?? "");
  return await crypto.subtle.importKey("spki", spki, "Ed25519", false, ["verify"]);
}

/** Waits until agents are known, which are watched since the first intercept. */
async function added(to: ReturnType<typeof intercepting>) {
  const wanted = await to.intercepts.add(echo, local);
  await until("the agents are told", () => (to.told.at(-1)?.agents.length ?? 0) > 0);
  return wanted;
}

Deno.test("the data worker is told where a rule goes, and the agents of the nodes where its pods are", async () => {
  await using to = intercepting();
  const { rule } = await added(to);
  const last = to.told.at(-1);
  assert.deepEqual(last?.targets, [{
    protocol: "tcp",
    rule: rule.uid,
    intercept: "echo.default:80",
    port: 80,
    host: "127.0.0.1",
    localPort: 8081,
  }]);
  assert.deepEqual(
    last?.agents,
    ["a", "b"].map((node) => ({
      pod: `agent-${node}`,
      uid: AGENTS[node as "a"],
      node,
      session: rule.session.uid,
    })),
  );
  to.topology.pods.set("default/e2", {
    ...pod("e2", "echo", "b"),
    deletionTimestamp: "2026-01-01T00:00:00Z",
  });
  to.intercepts.changed();
  assert.equal(to.told.at(-1)?.agents.length, 2, "its connections go on until it's gone");
  to.topology.pods.delete("default/e2");
  to.intercepts.changed();
  assert.deepEqual(to.told.at(-1)?.agents.map(({ node }) => node), ["a"]);
  const { length } = to.told;
  to.intercepts.changed();
  assert.equal(to.told.length, length, "what hasn't changed isn't told again");
});

Deno.test("where pods can't be seen, all agents are needed", async () => {
  await using to = intercepting();
  to.topology.pods.clear();
  await added(to);
  assert.deepEqual(to.told.at(-1)?.agents.map(({ node }) => node), ["a", "b", "c"]);
});

Deno.test("an agent that goes or comes is told", async () => {
  await using to = intercepting();
  await added(to);
  to.cluster.delete("/api/v1", "pods", "agent-a", "pmz-node");
  await until("it's told", () => to.told.at(-1)?.agents.length === 1);
});

Deno.test("the key proves to the very agent that was dialled, and only this session's rules", async () => {
  await using to = intercepting();
  const { rule } = await added(to);
  const agent = { pod: "agent-a", uid: AGENTS.a, node: "a", session: rule.session.uid };
  const nonce = "ab".repeat(32);
  const cluster = uid("kube-system");
  const challenge: Challenge = { hello, pod: AGENTS.a, node: "a", nonce, rules: [rule.uid], cluster };
  const proof = await to.intercepts.prove(agent, challenge);
  assert.equal(proof?.session, rule.session.uid);
  assert.ok(await to.intercepts.prove(agent, { ...challenge, rules: [] }));
  const refused: [Partial<typeof agent>, Partial<Challenge>][] = [
    [{}, { pod: AGENTS.b }], // relayed from another agent
    [{}, { node: "b" }],
    [{}, { rules: [rule.uid, uid("a colleague's")] }],
    [{ session: uid("a colleague's session") }, {}],
    [{ uid: AGENTS.b }, {}],
    [{}, { cluster: uid("another cluster's kube-system") }],
    [{}, { cluster: undefined }],
  ];
  for (const [other, said] of refused) {
    assert.equal(await to.intercepts.prove({ ...agent, ...other }, { ...challenge, ...said }), undefined);
  }
});

Deno.test("who may not read which cluster it is signs what the agent says, and for an agent of the first version the CA", async () => {
  await using to = intercepting({ uid: undefined });
  const { rule } = await added(to);
  const agent = { pod: "agent-a", uid: AGENTS.a, node: "a", session: rule.session.uid };
  const nonce = "ab".repeat(32);
  const first = { hello: { ...hello, version: 1, oldest: 1 }, pod: AGENTS.a, node: "a", nonce, rules: [] };
  const now = { ...first, hello, cluster: uid("kube-system") };
  for (const [challenge, cluster] of [[now, now.cluster], [first, "ca".repeat(32)]] as const) {
    const proof = await to.intercepts.prove(agent, challenge) ?? assert.fail();
    const { version } = challenge.hello;
    const signed = signedBytes({ version, cluster, challenge, session: agent.session, nonce: proof.nonce });
    const signature = Uint8Array.fromBase64(proof.signature);
    assert.ok(await crypto.subtle.verify("Ed25519", await publicKey(to.cluster), signature, signed));
  }
});

Deno.test("a limit that leaves something out is a problem, though the pod is ready", async () => {
  await using to = intercepting();
  await added(to);
  const reason = "callers in namespace shop aren't found";
  to.cluster.ruleStatus("echo-80", [
    { node: "a", pod: "e1", uid: uid("e1"), state: "ready", reason },
    { node: "b", pod: "e2", uid: uid("e2"), state: "ready" },
  ]);
  const entry = () => to.intercepts.entries()[0]?.entry;
  await until("it's seen", () => entry()?.pods.ready === 2);
  assert.deepEqual(entry()?.problems, [`e1: ${reason}`]);
});

Deno.test("pods of a node without a node agent are named, and don't count as what is waited for", async () => {
  await using to = intercepting();
  const wanted = await added(to);
  to.topology.pods.set("default/e3", pod("e3", "echo", "fargate-1"));
  to.cluster.ruleStatus("echo-80", [
    { node: "a", pod: "e1", uid: uid("e1"), state: "ready" },
    { node: "b", pod: "e2", uid: uid("e2"), state: "ready" },
  ]);
  await until("it's seen", () => to.intercepts.standing(wanted)?.ready === 2);
  const { started, unserved, problems } = to.intercepts.standing(wanted) ?? assert.fail();
  assert.deepEqual([started, unserved], [3, 1]);
  assert.deepEqual(problems, ["e3: node fargate-1 has no node agent that is ready"]);
});

Deno.test("an entry says how it stands: pods, connections, and why it isn't in force", async () => {
  await using to = intercepting();
  const { rule } = await added(to);
  to.cluster.ruleStatus("echo-80", [
    { node: "a", pod: "e1", uid: uid("e1"), state: "ready" },
    { node: "b", pod: "e2", uid: uid("e2"), state: "refused", reason: "on its node's network" },
  ]);
  const entry = () =>
    to.intercepts.entries([{
      rule: rule.uid,
      open: 2,
      total: 5,
      requests: { seen: 0, taken: 0, declined: 0 },
    }])[0]?.entry;
  await until("it's seen", () => entry()?.pods.ready === 1);
  const { since: _, ...rest } = entry() ?? assert.fail();
  assert.deepEqual(rest, {
    id: "echo.default:80",
    cluster: "dev",
    namespace: "default",
    service: "echo",
    port: 80,
    portName: "http",
    local: "127.0.0.1:8081",
    pods: { ready: 1, all: 2 },
    connections: { open: 2, total: 5 },
    others: [],
    alsoTaken: [],
    problems: ["e2: on its node's network"],
  });
});

Deno.test("the pods of a large cluster are gone through once for all entries of a namespace, and once to wait for one", async () => {
  await using to = intercepting();
  const wanted = await added(to);
  for (let i = 0; i < 5; i++) await to.intercepts.add(targetOf(service(`s${i}`)), local);
  const { pods } = to.topology;
  let rounds = 0;
  const counting = {
    get: (of: typeof pods, name: keyof typeof pods | typeof Symbol.iterator) => {
      if (name === "values" || name === Symbol.iterator) rounds++;
      const value: unknown = Reflect.get(of, name);
      return typeof value === "function" ? value.bind(of) : value;
    },
  };
  Object.assign(to.topology, { pods: new Proxy(pods, counting) });
  assert.equal(to.intercepts.entries().length, 6);
  assert.equal(rounds, 1);
  to.intercepts.standing(wanted);
  assert.equal(rounds, 2);
});

Deno.test("with the last intercept of a namespace its session goes", async () => {
  await using to = intercepting();
  const first = await added(to);
  const second = await to.intercepts.add(targetOf(service("shop")), local);
  await to.intercepts.remove(first);
  assert.equal(to.cluster.all("interceptsessions").length, 1);
  await to.intercepts.remove(second);
  assert.deepEqual(to.cluster.all("interceptsessions"), []);
  assert.deepEqual(to.told.at(-1), { targets: [], agents: [] });
  assert.equal(to.intercepts.any, false);
});

Deno.test("an intercept that can't be had leaves no session behind", async () => {
  await using to = intercepting();
  to.cluster.refuse = (asked) =>
    asked.includes("rules") && asked.startsWith("POST") ? forbidden(asked) : undefined;
  await assert.rejects(to.intercepts.add(echo, local), { name: "ApiError", status: 403 });
  assert.deepEqual(to.cluster.all("interceptsessions"), []);
});

Deno.test("a failure to ask who this is isn't remembered", async () => {
  await using to = intercepting();
  to.cluster.silent = true;
  const giveUp = new AbortController();
  const adding = to.intercepts.add(echo, local, giveUp.signal);
  giveUp.abort(new Error("Ctrl-C"));
  await assert.rejects(adding, /Ctrl-C/);
  to.cluster.silent = false;
  assert.equal((await to.intercepts.add(echo, local)).rule.user, "jo@example.com");
});

Deno.test("ending says what couldn't be taken back, and doesn't wait for it", async () => {
  await using to = intercepting();
  await added(to);
  to.cluster.silent = true;
  const [left, ...more] = await to.intercepts.end();
  assert.match(left ?? "", /^the session jo-example-com-[0-9a-f]{10} in the namespace default/);
  assert.deepEqual(more, []);
});

Deno.test("a Service without pods needs no agents, where pods of its namespace can be seen", async () => {
  await using to = intercepting();
  await added(to);
  to.topology.pods.clear();
  to.topology.pods.set("default/other", pod("other", "other", "a"));
  to.intercepts.changed();
  assert.deepEqual(to.told.at(-1)?.agents, []);
  to.topology.pods.clear();
  to.intercepts.changed();
  assert.equal(to.told.at(-1)?.agents.length, 3);
});

Deno.test("a port's intercepts have names of their own, and tell of the other rules with whose comes first", async () => {
  await using at = intercepting();
  const match: Match = { headers: [{ name: "x-user", exact: "jo" }] };
  const mine = await at.intercepts.add({ ...echo, match }, local);
  await at.intercepts.add(echo, local);
  // One of somebody else, for the same requests.
  const [, copied] = at.cluster.all("interceptrules").find(([name]) => name.endsWith(mine.rule.name)) ?? [];
  assert.ok(copied);
  at.cluster.put(`/apis/${GROUP}/${VERSION}`, "interceptrules", {
    ...copied,
    metadata: { ...copied.metadata, name: "echo-80-theirs", uid: uid("theirs") },
    spec: { ...copied.spec as object, user: "bob", session: { name: "bob", uid: uid("bob") } },
  });
  await until(
    "the watch has it",
    () => at.intercepts.entries().every(({ entry }) => entry.others.length > 0),
  );
  const entries = at.intercepts.entries().map(({ entry }) => entry);
  assert.deepEqual(entries.map(({ id }) => id.replace(/[a-z]{8}$/, "x")), [
    "echo.default:80/x",
    "echo.default:80",
  ]);
  assert.deepEqual(entries.map(({ match }) => match), [match, undefined]);
  const requests = { seen: 9, taken: 3, declined: 0 };
  const counted = at.intercepts.entries([{ rule: mine.rule.uid, open: 0, total: 1, requests }]);
  assert.deepEqual(counted.map(({ entry }) => entry.requests), [requests, undefined]);
  assert.deepEqual(entries.map(({ others }) => others.map(({ user }) => user)), [["bob"], ["bob"]]);
  const [, whole] = entries.map(({ others }) => others[0]);
  assert.deepEqual([whole?.first, whole?.overlaps, whole?.match], [true, true, match]);
  await at.intercepts.remove(mine);
  assert.deepEqual(at.intercepts.entries().map(({ entry }) => entry.id), ["echo.default:80"]);
});

/** Another person's rule for all connections of a Service's port. */
function rule(user: string, service: string) {
  return {
    metadata: {
      name: `${service}-80`,
      namespace: "default",
      uid: uid(`${user}/${service}`),
      creationTimestamp: "2026-01-01T12:00:00Z",
    },
    spec: {
      service,
      port: 80,
      session: { name: user, uid: uid(user) },
      keyFingerprint: "ab".repeat(32),
      user,
    },
  };
}

Deno.test("a rule for the same port of the same pods by another Service is told, one for other pods isn't", async () => {
  await using at = intercepting();
  const web = service("web");
  at.topology.services.set("default/web", { ...web, selector: { app: "echo" } });
  at.topology.services.set("default/shop", service("shop"));
  for (const name of ["web", "shop"]) {
    at.cluster.put("/apis/pmz.dev/v1alpha1", "interceptrules", rule("bob", name));
  }
  await at.intercepts.add({ ...echo, match: { methods: ["GET"] } }, local);
  const others = () => at.intercepts.entries()[0]?.entry.others ?? [];
  await until("it's told", () => others().length > 0);
  assert.deepEqual(others().map(({ user, by }) => [user, by]), [["bob", "web:80"]]);
});

Deno.test("a Service that was made again with other pods needs the agents of their nodes, and a deleted one is a problem", async () => {
  await using at = intercepting();
  await added(at);
  at.topology.services.set("default/echo", { ...echo.service, uid: uid("again"), selector: { app: "new" } });
  at.topology.pods.set("default/n1", pod("n1", "new", "c"));
  at.intercepts.changed();
  assert.deepEqual(at.told.at(-1)?.agents.map(({ node }) => node), ["c"]);
  assert.deepEqual(at.intercepts.entries().map(({ entry }) => entry.pods.all), [1]);

  at.topology.services.delete("default/echo");
  assert.deepEqual(at.intercepts.entries()[0]?.entry.problems, [
    "nothing arrives until there is a Service echo",
  ]);
});
