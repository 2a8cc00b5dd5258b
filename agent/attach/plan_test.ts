import assert from "node:assert/strict";
import type { InterceptRule, InterceptSession } from "../../wire/intercept.ts";
import type { Match } from "../../wire/match.ts";
import { ruleFingerprint } from "../../wire/personal_rule.ts";
import type { Pod, Service } from "../../kube/objects/objects.ts";
import { limits, plan, type PlanInput, rulesOf } from "./plan.ts";

const session: InterceptSession = {
  namespace: "default",
  name: "alice-laptop",
  uid: "session-1",
  publicKey: "KEY",
  user: "alice",
  machine: "laptop",
  durationSeconds: 15,
  renewal: "1",
};

function rule(changes: Partial<InterceptRule> = {}): InterceptRule {
  return {
    namespace: "default",
    name: "echo-80",
    uid: "rule-1",
    service: "echo",
    port: 80,
    session: { name: "alice-laptop", uid: "session-1" },
    keyFingerprint: "print of KEY",
    user: "alice",
    created: "2026-01-01T00:00:00Z",
    deleting: false,
    status: { pods: [] },
    ...changes,
  };
}

function pod(changes: Partial<Pod> = {}): Pod {
  return {
    namespace: "default",
    name: "echo-1",
    uid: "pod-1",
    nodeName: "node-1",
    podIPs: ["10.244.1.7"],
    hostNetwork: false,
    labels: { app: "echo", more: "labels" },
    phase: "Running",
    ready: true,
    owners: [],
    containerPorts: [{ container: "echo", name: "http", port: 8080, protocol: "TCP" }],
    ...changes,
  };
}

const service: Service = {
  namespace: "default",
  name: "echo",
  uid: "service-1",
  type: "ClusterIP",
  clusterIPs: ["10.96.12.7"],
  headless: false,
  selector: { app: "echo" },
  ports: [
    { name: "a", port: 80, protocol: "TCP", targetPort: 8080 },
    { name: "b", port: 81, protocol: "TCP", targetPort: "http" },
    { name: "c", port: 53, protocol: "UDP", targetPort: 53 },
  ],
  publishNotReadyAddresses: false,
};

function planned(changes: Partial<PlanInput> = {}) {
  const result = plan({
    rules: [rule()],
    sessions: new Map([[session.uid, session]]),
    services: [service],
    pods: [pod()],
    denied: new Set(),
    fingerprint: (key) => `print of ${key}`,
    ...changes,
  });
  return {
    ports: [...result.pods].map((
      [uid, { ports }],
    ) => [uid, ports.map((port) => `${port.port} ${rulesOf(port).map(({ uid }) => uid).join(" ")}`)]),
    reasons: result.refusals.map(({ rule, pod, reason }) => `${rule.uid} ${pod.uid}: ${reason}`),
  };
}

Deno.test("a rule has the target port of each pod that its Service selects", () => {
  const result = planned({
    pods: [pod(), pod({ uid: "pod-2" }), pod({ uid: "other", labels: { app: "other" } })],
  });
  assert.deepEqual(result.ports, [["pod-1", ["8080 rule-1"]], ["pod-2", ["8080 rule-1"]]]);
  assert.deepEqual(result.reasons, []);
});

Deno.test("a named target port is each pod's own", () => {
  const other = pod({
    uid: "pod-2",
    containerPorts: [{ container: "c", name: "http", port: 9090, protocol: "TCP" }],
  });
  const nameless = pod({
    uid: "pod-3",
    containerPorts: [{ container: "c", name: "http", port: 9090, protocol: "UDP" }],
  });
  const result = planned({ rules: [rule({ port: 81 })], pods: [pod(), other, nameless] });
  assert.deepEqual(result.ports, [["pod-1", ["8080 rule-1"]], ["pod-2", ["9090 rule-1"]]]);
  assert.deepEqual(result.reasons, ['rule-1 pod-3: the pod has no TCP containerPort named "http"']);
});

Deno.test("a rule never reaches a pod of another namespace, whatever its labels and Services say", () => {
  assert.deepEqual(planned({ pods: [pod({ namespace: "b" })] }).ports, []);
  assert.deepEqual(planned({ services: [{ ...service, namespace: "b" }] }).ports, []);
  assert.deepEqual(planned({ rules: [rule({ namespace: "b" })] }).ports, []);
});

Deno.test("a rule counts only with its live session, of the same namespace, key and user", () => {
  assert.deepEqual(planned({ sessions: new Map() }).ports, []);
  for (
    const changes of [{ namespace: "b" }, { name: "other" }, { user: "mallory" }, { publicKey: "OTHER" }]
  ) {
    const sessions = new Map([[session.uid, { ...session, ...changes }]]);
    assert.deepEqual(planned({ sessions }).ports, [], JSON.stringify(changes));
  }
  assert.deepEqual(planned({ fingerprint: () => undefined }).ports, []);
});

Deno.test("a Service without selector gives no pods", () => {
  const { selector: _, ...bare } = service;
  assert.deepEqual(planned({ services: [bare] }), { ports: [], reasons: [] });
});

Deno.test("a pod has its ports from its assignment until it has ended", () => {
  assert.equal(planned({ pods: [pod({ podIPs: [], phase: "Pending", ready: false })] }).ports.length, 1);
  assert.equal(planned({ pods: [pod({ deletionTimestamp: "2026-01-01T00:00:00Z" })] }).ports.length, 1);
  assert.deepEqual(planned({ pods: [pod({ phase: "Succeeded" })] }).ports, []);
  assert.deepEqual(planned({ rules: [rule({ deleting: true })] }).ports, []);
});

Deno.test("of two rules for one port the older wins, and the other's reason names it", () => {
  const later = rule({
    uid: "rule-0",
    name: "echo-81",
    port: 81,
    user: "alice",
    created: "2026-01-01T00:00:01Z",
  });
  const result = planned({ rules: [later, rule()] });
  assert.deepEqual(result.ports, [["pod-1", ["8080 rule-1"]]]);
  assert.deepEqual(result.reasons, [
    "rule-0 pod-1: the pod's port 8080 is already intercepted: rule echo-80 of alice",
  ]);
});

Deno.test("rules of the same second have one order on every node", () => {
  const [a, b] = [rule({ uid: "rule-a" }), rule({ uid: "rule-b" })];
  assert.deepEqual(planned({ rules: [a, b] }).ports, planned({ rules: [b, a] }).ports);
});

Deno.test("a rule that can't be in force has a reason", () => {
  const reasons = (changes: Partial<Pod>) => planned({ pods: [pod(changes)] }).reasons.join();
  assert.match(reasons({ hostNetwork: true }), /pod uses its node's network/);
  assert.match(reasons({ runtimeClassName: "gvisor" }), /"gvisor" has a network stack of its own/);
  assert.match(reasons({ runtimeClassName: "kata-qemu" }), /kata/);
  assert.equal(reasons({ runtimeClassName: "nvidia" }), "");
  assert.match(planned({ denied: new Set(["default"]) }).reasons.join(), /pmz.dev\/intercept=denied/);
  assert.match(planned({ rules: [rule({ port: 53 })] }).reasons.join(), /port 53 of Service echo is not TCP/);
  assert.match(planned({ rules: [rule({ port: 99 })] }).reasons.join(), /Service echo has no port 99/);
});

Deno.test("rules beyond a namespace's limit are refused, older ones and other namespaces are not", () => {
  const many = Array.from({ length: limits.rulesPerNamespace + 1 }, (_, i) =>
    rule({
      uid: `rule-${String(i).padStart(4, "0")}`,
      service: i === 0 || i === limits.rulesPerNamespace ? "echo" : "none",
      port: i === 0 ? 80 : 81,
    }));
  const result = planned({ rules: many });
  assert.deepEqual(result.ports, [["pod-1", ["8080 rule-0000"]]]);
  assert.deepEqual(result.reasons, [
    "rule-0500 pod-1: namespace default already has 500 older rules, the most allowed",
  ]);
});

Deno.test("a namespace that wants all of a node's rules leaves another its share, and its own oldest rules stay", () => {
  const of = (namespace: string, count: number) =>
    Array.from({ length: count }, (_, i) =>
      rule({
        namespace,
        uid: `${namespace}-${String(i).padStart(4, "0")}`,
        created: namespace === "default" ? "2026-01-01T00:00:00Z" : "2026-01-01T00:00:01Z",
        session: { name: "s", uid: `session of ${namespace}` },
        match: { hosts: ["a.example"] },
        keyFingerprint: ruleFingerprint("print of KEY", { match: { hosts: ["a.example"] } }),
      }));
  const services = ["default", "other"].map((namespace) => ({ ...service, namespace }));
  // A pod's port takes 128 personal rules.
  const everywhere = (count: number, namespace: string) =>
    of(namespace, count).map((one, i) => ({ ...one, port: 80 + i % 8 }));
  const ports = Array.from(
    { length: 8 },
    (_, i) => ({ ...service.ports[0], port: 80 + i, targetPort: 8080 + i }),
  );
  const input = {
    services: services.map((one) => ({ ...one, ports: ports as Service["ports"] })),
    pods: ["default", "other"].map((namespace) =>
      pod({ namespace, uid: `pod of ${namespace}`, name: namespace })
    ),
    sessions: new Map(["default", "other"].map((namespace) => [`session of ${namespace}`, {
      ...session,
      namespace,
      name: "s",
      uid: `session of ${namespace}`,
    }])),
  };
  assert.deepEqual(planned({ ...input, rules: everywhere(500, "default") }).reasons, []);
  const rules = [...everywhere(500, "default"), ...everywhere(100, "other")];
  const { reasons } = planned({ ...input, rules });
  assert.equal(reasons.length, 100);
  assert.equal(
    reasons[0],
    "default-0400 pod of default: this node takes 500 rules, and namespace default already has its share: 400 older ones",
  );
  assert.ok(
    reasons.every((reason) => reason.startsWith("default-04")),
    "the newest of the one that wants more",
  );
});

Deno.test("personal rules stand side by side in front of the whole-service rule, the older ones first", () => {
  const match = (user: string): Match => ({ headers: [{ name: "x-user", exact: user }] });
  const personal = (uid: string, user: string, created: string) =>
    rule({
      uid,
      match: match(user),
      keyFingerprint: ruleFingerprint("print of KEY", { match: match(user) }),
      created,
    });
  const whole = rule();
  const [older, newer] = [
    personal("rule-b", "bob", "2026-01-01T00:00:01Z"),
    personal("rule-a", "alice", "2026-01-01T00:00:02Z"),
  ];
  const result = planned({ rules: [newer, whole, older] });
  assert.deepEqual(result, { ports: [["pod-1", ["8080 rule-b rule-a rule-1"]]], reasons: [] });
});

Deno.test("a personal rule of which a matcher was dropped on the way takes nothing", () => {
  const match: Match = { hosts: ["a.example"], headers: [{ name: "x-user", exact: "alice" }] };
  const keyFingerprint = ruleFingerprint("print of KEY", { match });
  assert.equal(planned({ rules: [rule({ match, keyFingerprint })] }).ports.length, 1);
  assert.deepEqual(planned({ rules: [rule({ match: { hosts: ["a.example"] }, keyFingerprint })] }).ports, []);
  assert.deepEqual(planned({ rules: [rule({ keyFingerprint })] }).ports, []);
});

Deno.test("a rule that mirrors a whole port stands next to the whole-service rule, and takes nothing without the word mirror", () => {
  const keyFingerprint = ruleFingerprint("print of KEY", { mirror: true });
  const copies = rule({ uid: "rule-m", mirror: true, keyFingerprint, created: "2026-01-01T00:00:09Z" });
  assert.deepEqual(planned({ rules: [copies, rule()] }).ports, [["pod-1", ["8080 rule-m rule-1"]]]);
  const { mirror: _, ...dropped } = copies;
  assert.deepEqual(planned({ rules: [dropped] }).ports, []);
});

Deno.test("personal rules of a port beyond the limit are refused", () => {
  const match: Match = { hosts: ["a.example"] };
  const keyFingerprint = ruleFingerprint("print of KEY", { match });
  const many = Array.from(
    { length: limits.personalPerPort + 1 },
    (_, i) => rule({ uid: `rule-${String(i).padStart(4, "0")}`, match, keyFingerprint }),
  );
  const { ports, reasons } = planned({ rules: many });
  assert.equal(ports[0]?.[1]?.[0]?.split(" ").length, 1 + limits.personalPerPort);
  assert.deepEqual(reasons, [
    "rule-0128 pod-1: the pod's port 8080 already has 128 older personal rules, the most allowed",
  ]);
});
