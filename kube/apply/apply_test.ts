import assert from "node:assert/strict";
import { Api } from "../client/api.ts";
import { ApiError } from "../client/api_error.ts";
import { apply, type ApplyProgress, type Manifest, ordered, OURS, prune, remove } from "./apply.ts";
import { resources } from "../client/resources.ts";
import { FakeCluster } from "../testing/cluster.ts";

const labels = { [OURS.label]: OURS.value };

function manifest(
  kind: string,
  name: string,
  more: object = {},
  namespace: string | undefined = "pmz",
): Manifest {
  const apiVersion = {
    Deployment: "apps/v1",
    CustomResourceDefinition: "apiextensions.k8s.io/v1",
    Gizmo: "pmz.test/v1",
  }[kind] ?? "v1";
  return { apiVersion, kind, metadata: { name, labels, ...(namespace ? { namespace } : {}) }, ...more };
}

const all = [
  manifest("Deployment", "gateway"),
  manifest("Gizmo", "g"),
  manifest("ConfigMap", "payload", { data: { a: "b" } }),
  manifest("CustomResourceDefinition", "gizmos.pmz.test", {}, ""),
  manifest("Namespace", "pmz", {}, ""),
];

const outcomes = (told: ApplyProgress[]) =>
  told.map(({ object, outcome, done, total }) => `${outcome} ${object} ${done}/${total}`);

Deno.test("manifests are put in the order in which they need each other, equals as given", () => {
  assert.deepEqual(ordered(all).map(({ kind }) => kind), [
    "Namespace",
    "CustomResourceDefinition",
    "Gizmo",
    "ConfigMap",
    "Deployment",
  ]);
});

Deno.test("applying makes everything, waiting for a CRD to serve; applying again changes nothing", async () => {
  await using cluster = new FakeCluster();
  using api = new Api(cluster.source);
  let told: ApplyProgress[] = [];
  const onProgress = (progress: ApplyProgress) => void told.push(progress);
  await apply(api, all, { onProgress });
  assert.deepEqual(outcomes(told), [
    "created Namespace pmz 1/5",
    "created CustomResourceDefinition gizmos.pmz.test 2/5",
    "created Gizmo pmz/g 3/5",
    "created ConfigMap pmz/payload 4/5",
    "created Deployment pmz/gateway 5/5",
  ]);
  assert(
    cluster.asked.some((each) =>
      each === "PATCH /api/v1/namespaces/pmz/configmaps/payload?fieldManager=pmz&force=true"
    ),
  );
  told = [];
  await apply(api, [...all.slice(0, 2), manifest("ConfigMap", "payload", { data: { a: "c" } })], {
    onProgress,
  });
  assert.deepEqual(outcomes(told), [
    "unchanged Gizmo pmz/g 1/3",
    "changed ConfigMap pmz/payload 2/3",
    "unchanged Deployment pmz/gateway 3/3",
  ]);
});

Deno.test("a manifest that is refused ends applying with the server's words; what came before stays", async () => {
  await using cluster = new FakeCluster();
  using api = new Api(cluster.source);
  cluster.refuse = (path) => path.includes("/configmaps/") ? "quota exceeded" : undefined;
  await assert.rejects(apply(api, all), (error) => {
    assert(ApiError.is(error, "Forbidden"));
    assert.match(error.message, /^Can't apply configmaps "payload" in namespace pmz: quota exceeded/);
    return true;
  });
  assert(cluster.has("/api/v1/namespaces/pmz"));
  assert(!cluster.has("/apis/apps/v1/namespaces/pmz/deployments/gateway"));
});

Deno.test("a kind that the cluster doesn't know is told as such", async () => {
  await using cluster = new FakeCluster();
  using api = new Api(cluster.source);
  await assert.rejects(
    apply(api, [manifest("Gadget", "g")], { dryRun: true }),
    /doesn't know the kind Gadget of v1/,
  );
});

Deno.test("a namespaced manifest without a namespace is refused before anything is sent for it", async () => {
  await using cluster = new FakeCluster();
  using api = new Api(cluster.source);
  await assert.rejects(
    apply(api, [manifest("ConfigMap", "payload", {}, "")]),
    /ConfigMap payload has no namespace/,
  );
});

Deno.test("removing deletes what is ours, in the opposite order, waits until it is gone, and keeps what isn't ours", async () => {
  await using cluster = new FakeCluster();
  using api = new Api(cluster.source);
  await apply(api, all);
  cluster.put("/api/v1/namespaces/pmz/configmaps/payload", {
    metadata: { name: "payload", uid: "theirs", labels: {} },
  });
  cluster.lingers = 2;
  const told: ApplyProgress[] = [];
  await remove(api, all, { onProgress: (progress) => void told.push(progress) });
  assert.deepEqual(outcomes(told), [
    "kept ConfigMap pmz/payload 1/5",
    "deleted Deployment pmz/gateway 2/5",
    "deleted Gizmo pmz/g 3/5",
    "deleted CustomResourceDefinition gizmos.pmz.test 4/5",
    "deleted Namespace pmz 5/5",
  ]);
  assert(cluster.has("/api/v1/namespaces/pmz/configmaps/payload"));
  assert(!cluster.has("/api/v1/namespaces/pmz"));
  told.length = 0;
  await remove(api, all.slice(0, 2), { onProgress: (progress) => void told.push(progress) });
  assert.deepEqual(told.map(({ outcome }) => outcome), ["absent", "absent"]);
});

Deno.test("pruning deletes what is labelled as ours and isn't kept", async () => {
  await using cluster = new FakeCluster();
  using api = new Api(cluster.source);
  for (const name of ["payload-1", "payload-2", "payload-3"]) await apply(api, [manifest("ConfigMap", name)]);
  const keep = new Set(["payload-3"]);
  const deleted = await prune(api, resources.configMaps, {
    namespace: "pmz",
    keep,
    labelSelector: "part=payload",
  });
  assert.deepEqual(deleted, ["payload-1", "payload-2"]);
  assert(
    cluster.asked.some((each) =>
      each.includes("labelSelector=app.kubernetes.io%2Fmanaged-by%3Dpmz%2Cpart%3Dpayload")
    ),
  );
  assert(cluster.has("/api/v1/namespaces/pmz/configmaps/payload-3"));
});
