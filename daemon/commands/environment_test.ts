import assert from "node:assert/strict";
import { json } from "../../kube/testing/api_server.ts";
import { fails } from "../testing/fails.ts";
import type { FakeApi } from "../testing/cluster.ts";
import { forbidden } from "../testing/cluster.ts";
import { fakeDaemon } from "../testing/daemon.ts";

const api = "/api/v1";
const PASSWORD = "very secret";

/** A Service `shop` whose pod has a ConfigMap, a Secret and a token; by default its second container has the port. */
function shop(cluster: FakeApi): void {
  cluster.service("shop", {
    selector: { app: "shop" },
    ports: [{ name: "http", port: 80, targetPort: "web" }],
  });
  cluster.put(api, "configmaps", {
    metadata: { name: "shop" },
    data: { "app.conf": "a=1" },
    binaryData: { b: "AQ==" },
  });
  cluster.put(api, "secrets", { metadata: { name: "db" }, data: { password: btoa(PASSWORD) } });
  pod(cluster, "shop-1");
}

function pod(
  cluster: FakeApi,
  name: string,
  of: { ready?: boolean; created?: string; annotations?: object } = {},
): void {
  const { ready = true, created = "2026-01-01T00:00:00Z", annotations = {} } = of;
  cluster.put(api, "pods", {
    metadata: { name, uid: `uid-${name}`, labels: { app: "shop" }, annotations, creationTimestamp: created },
    spec: {
      nodeName: "node-1",
      serviceAccountName: "robot",
      containers: [
        { name: "proxy", env: [{ name: "WHO", value: "proxy" }] },
        {
          name: "shop",
          ports: [{ name: "web", containerPort: 8080 }],
          env: [
            { name: "WHO", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } },
          ],
          volumeMounts: [{ name: "config", mountPath: "/etc/shop" }, {
            name: "token",
            mountPath: "/run/token",
          }],
        },
      ],
      volumes: [
        { name: "config", configMap: { name: "shop" } },
        {
          name: "token",
          projected: {
            sources: [{ serviceAccountToken: { path: "vault", audience: "vault", expirationSeconds: 60 } }],
          },
        },
      ],
    },
    status: {
      phase: "Running",
      podIP: "10.244.0.5",
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  });
}

Deno.test("environment has the variables and files of the container that has the Service's port, a token too", async () => {
  await using at = await fakeDaemon();
  shop(at.cluster);
  const requested: unknown[] = [];
  at.cluster.refuse = (asked) => {
    if (asked !== "POST /api/v1/namespaces/default/serviceaccounts/robot/token") return undefined;
    requested.push(asked);
    return json(201, { metadata: {}, status: { token: "a.token" } });
  };
  const { kubeconfig = "" } = at.up;
  const got = await at.daemon.environment({ kubeconfig, service: "shop" });
  const { variables: { WHO, PASSWORD: password, ECHO_SERVICE_HOST }, ...more } = got;
  assert.deepEqual({ WHO, password, ECHO_SERVICE_HOST }, {
    WHO: "shop-1",
    password: PASSWORD,
    ECHO_SERVICE_HOST: "10.96.0.7",
  });
  assert.deepEqual(more, {
    cluster: "dev",
    namespace: "default",
    service: "shop",
    pod: "shop-1",
    container: "shop",
    files: [
      { path: "/etc/shop/app.conf", mode: 0o644, content: btoa("a=1") },
      { path: "/etc/shop/b", mode: 0o644, content: "AQ==" },
      { path: "/run/token/vault", mode: 0o600, content: btoa("a.token") },
    ],
    folders: ["/etc/shop", "/run/token"],
    otherMounts: [],
    problems: [],
  });
  assert.equal(requested.length, 1);
  assert.doesNotMatch(at.log.join("\n"), new RegExp(PASSWORD));
});

Deno.test("what may not be read is named, and the rest is there", async () => {
  await using at = await fakeDaemon();
  shop(at.cluster);
  at.cluster.refuse = (asked) =>
    /\/(secrets|services$|serviceaccounts)/.test(asked) ? forbidden("do that") : undefined;
  const { kubeconfig = "" } = at.up;
  const got = await at.daemon.environment({ kubeconfig, service: "shop" });
  assert.deepEqual(got.variables, { WHO: "shop-1" });
  assert.equal(got.files.length, 2);
  assert.deepEqual(got.problems, [
    "Services may not be read with your rights: without the variables of Services",
    "Secret db may not be read with your rights: without PASSWORD",
    "a token of service account robot may not be requested with your rights: without /run/token/vault",
  ]);
});

Deno.test("an object that isn't valid is left out, and no error shows what it has", async () => {
  await using at = await fakeDaemon();
  shop(at.cluster);
  at.cluster.refuse = (asked) =>
    asked.endsWith("/secrets/db") ? new Response(`{"data":{"password":"${PASSWORD}`) : undefined;
  const { kubeconfig = "" } = at.up;
  const { problems } = await at.daemon.environment({ kubeconfig, service: "shop" });
  assert.equal(problems[0], "Secret db can't be read (200 BadAnswer): without PASSWORD");
  assert.doesNotMatch(`${problems.join()}${at.log.join()}`, new RegExp(PASSWORD));
});

Deno.test("where the pods may not be read, nothing can be, and that is said", async () => {
  await using at = await fakeDaemon();
  shop(at.cluster);
  at.cluster.refuse = (asked) => asked.includes("/pods") ? forbidden("list pods") : undefined;
  const { kubeconfig = "" } = at.up;
  await assert.rejects(
    at.daemon.environment({ kubeconfig, service: "shop" }),
    (error) => error instanceof Error && /list pods/.test(error.message),
  );
});

Deno.test("a ready pod comes before the others, of those the newest, and --container chooses in it", async () => {
  await using at = await fakeDaemon();
  shop(at.cluster);
  pod(at.cluster, "shop-0", { created: "2026-01-02T00:00:00Z" });
  pod(at.cluster, "shop-2", { created: "2026-01-03T00:00:00Z", ready: false });
  const { kubeconfig = "" } = at.up;
  const of = async (more: object) => {
    const { pod, variables } = await at.daemon.environment({ kubeconfig, service: "shop", ...more });
    return `${pod} ${variables.WHO}`;
  };
  assert.equal(await of({}), "shop-0 shop-0");
  assert.equal(await of({ port: "http" }), "shop-0 shop-0");
  assert.equal(await of({ container: "proxy" }), "shop-0 proxy");
  pod(at.cluster, "shop-3", {
    created: "2026-01-04T00:00:00Z",
    annotations: { "kubectl.kubernetes.io/default-container": "proxy" },
  });
  assert.equal(await of({}), "shop-3 shop-3", "the Service's port comes first");
  await assert.rejects(
    of({ container: "nosuch" }),
    fails("not-found", /no container nosuch/),
  );
  await assert.rejects(of({ service: "nosuch" }), fails("not-found", /there is no Service nosuch/));
});

Deno.test("without a pod, the environment is of the template of the workload that would make one", async () => {
  await using at = await fakeDaemon();
  at.cluster.service("idle", { selector: { app: "idle" }, ports: [{ port: 80 }] });
  const { kubeconfig = "" } = at.up;
  await assert.rejects(
    at.daemon.environment({ kubeconfig, service: "idle" }),
    fails("not-found", /idle\.default has no pods, and no workload that makes some/),
  );
  at.cluster.put("/apis/apps/v1", "deployments", {
    metadata: { name: "idle" },
    spec: {
      template: {
        metadata: { labels: { app: "idle", more: "1" } },
        spec: {
          containers: [{
            name: "c",
            env: [
              { name: "A", value: "1" },
              { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            ],
          }],
        },
      },
    },
  });
  const got = await at.daemon.environment({ kubeconfig, service: "idle" });
  assert.equal(got.variables.A, "1");
  assert.equal(got.pod, undefined);
  assert.deepEqual(got.problems, ["no pod runs that has metadata.name: without NAME"]);
});
