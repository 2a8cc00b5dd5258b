import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { AgentInstaller } from "../installer.ts";
import type { Manifest } from "../../kube/apply/apply.ts";
import { environment } from "../../wire/agent_environment.ts";
import { CHUNK, payloadOf } from "../../wire/payload.ts";
import { gatewayManifests } from "./gateway.ts";
import { nodeManifests } from "./node_agent.ts";
import { type ManifestOptions, STOCK_IMAGE } from "./options.ts";

type Json = Record<string, unknown>;

async function options(more: Partial<ManifestOptions> = {}): Promise<ManifestOptions> {
  return {
    payload: await payloadOf(new Uint8Array(CHUNK + 1)),
    image: STOCK_IMAGE,
    prebuilt: false,
    ranges: [],
    architectures: ["amd64"],
    modern: true,
    ...more,
  };
}

/** All that has to do with rights: pod specs without the loader's text, roles, namespaces, admission. */
function rightsOf(manifests: readonly Manifest[]): unknown {
  return manifests.filter(({ kind }) => kind !== "ConfigMap" && kind !== "CustomResourceDefinition").map((
    manifest,
  ) =>
    JSON.parse(JSON.stringify(manifest, (key, value) => {
      if (key === "command" && String(value[2]).includes("LOADER")) {
        return value[2].split(" - ")[0].split("exec deno run ")[1].split(" ");
      }
      return typeof value === "string" ? value.replaceAll(/[0-9a-f]{16,64}/g, "HASH") : value;
    }))
  );
}

Deno.test("rights, security contexts and permissions are exactly those of golden.json", async () => {
  const all = await options();
  const found = rightsOf([...gatewayManifests(all), ...nodeManifests(all)]);
  const file = new URL("./golden.json", import.meta.url);
  if (Deno.env.get("PMZ_WRITE_GOLDEN") === "1") {
    await Deno.writeTextFile(file, JSON.stringify(found));
    await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", file.pathname] }).output();
  }
  const golden: unknown = JSON.parse(await Deno.readTextFile(file));
  assert.deepEqual(found, golden, "PMZ_WRITE_GOLDEN=1 writes what is meant to change");
});

function workload(manifests: readonly Manifest[], kind: string): { spec: Json; containers: Json[] } {
  const found = manifests.find((manifest) => manifest.kind === kind) as
    | { spec: { template: { spec: Json } } }
    | undefined;
  assert(found);
  const spec = found.spec.template.spec;
  return { spec, containers: spec.containers as Json[] };
}

Deno.test("no container may gain rights, write to its image, or open a port in the cluster", async () => {
  const all = await options();
  for (
    const { spec, containers } of [
      workload(gatewayManifests(all), "Deployment"),
      workload(nodeManifests(all), "DaemonSet"),
    ]
  ) {
    for (const name of ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"]) {
      assert(!spec[name], name);
    }
    for (const container of containers) {
      const context = container.securityContext as Json;
      assert.equal(context.privileged, false);
      assert.equal(context.allowPrivilegeEscalation, false);
      assert.equal(context.readOnlyRootFilesystem, true);
      assert.deepEqual((context.capabilities as Json).drop, ["ALL"]);
      assert.deepEqual(context.seccompProfile, { type: "RuntimeDefault" });
      assert.equal(container.ports, undefined);
      assert((container.resources as { limits: Json }).limits.memory);
    }
  }
});

Deno.test("relay has no token, capability or host volume, and shares only the socket's folder with attach", async () => {
  const { spec, containers } = workload(nodeManifests(await options()), "DaemonSet");
  assert.equal(spec.automountServiceAccountToken, false);
  const [attach, relay] = containers;
  assert(attach && relay);
  const mounts = (container: Json) => (container.volumeMounts as { name: string }[]).map(({ name }) => name);
  assert.deepEqual(mounts(relay).sort(), ["payload", "run", "scratch-relay"]);
  assert.deepEqual(mounts(attach).filter((name) => mounts(relay).includes(name)).sort(), ["payload", "run"]);
  const context = relay.securityContext as Json;
  assert.equal(context.runAsNonRoot, true);
  assert.deepEqual(context.capabilities, { drop: ["ALL"] });
});

Deno.test("the variables that the pod specs set are those that the agents may read", async () => {
  const all = await options();
  const containers = [
    ...workload(gatewayManifests(all), "Deployment").containers,
    ...workload(nodeManifests(all), "DaemonSet").containers,
  ];
  assert.equal(containers.length, 3);
  for (const container of containers) {
    const set = (container.env as { name: string }[]).map(({ name }) => name);
    const readable = /--allow-env=([A-Z_,]+)/.exec(String(container.command))?.[1]?.split(",") ?? [];
    for (const name of set) assert(name.startsWith("DENO_") || readable.includes(name), name);
    const known: string[] = Object.values(environment);
    for (const name of readable) assert(known.includes(name) || name.startsWith("KUBERNETES_"), name);
  }
});

Deno.test("no container trusts a CA for the API server but the service account's", async () => {
  const all = await options();
  const containers = [
    ...workload(gatewayManifests(all), "Deployment").containers,
    ...workload(nodeManifests(all), "DaemonSet").containers,
  ];
  for (const { name, env } of containers) {
    const store = (env as { name: string; value: string }[]).find(({ name }) => name === "DENO_TLS_CA_STORE");
    assert.equal(store?.value, "", String(name));
  }
});

Deno.test("each object can be applied by kubectl, whose annotation has at most 256 KiB", async () => {
  const all = await options();
  for (const manifest of [...gatewayManifests(all), ...nodeManifests(all)]) {
    const limit = manifest.kind === "ConfigMap" ? 180 * 1024 : 256 * 1024;
    assert(JSON.stringify(manifest).length < limit, manifest.metadata.name);
  }
});

Deno.test("a payload's ConfigMaps are immutable, and named by their contents", async () => {
  const names = async (fill: number, salt?: string) =>
    gatewayManifests(
      await options({ payload: await payloadOf(new Uint8Array(10).fill(fill)), ...salt ? { salt } : {} }),
    ).filter(({ kind }) => kind === "ConfigMap").map((each) => {
      assert.equal(each.immutable, true);
      return each.metadata.name;
    });
  assert.deepEqual(await names(1), await names(1));
  assert.notDeepEqual(await names(1), await names(2));
  assert.notDeepEqual(await names(1), await names(1, "0a1b2c3d"));
});

Deno.test("a prebuilt image needs no ConfigMaps or volume, and is checked by the same digest", async () => {
  const all = await options({ prebuilt: true, image: "registry.example/pmz-agent:1" });
  const manifests = gatewayManifests(all);
  assert(!manifests.some(({ kind }) => kind === "ConfigMap"));
  const { spec, containers } = workload(manifests, "Deployment");
  assert(!JSON.stringify(spec.volumes).includes("configMap"));
  assert.equal(containers[0]?.image, "registry.example/pmz-agent:1");
  const command = String((containers[0]?.command as string[])[2]);
  assert(command.includes(`${all.payload.digest} 2 /pmz/payload gateway`));
});

Deno.test("before 1.30 there is no admission policy, and AppArmor is an annotation", async () => {
  const old = nodeManifests(await options({ modern: false }));
  assert(!old.some(({ kind }) => kind.startsWith("ValidatingAdmissionPolicy")));
  const text = JSON.stringify(old);
  assert(!text.includes("appArmorProfile"));
  assert(text.includes("container.apparmor.security.beta.kubernetes.io/attach"));
});

Deno.test("the YAML has the same objects, one document each, namespaces and CRDs first", async () => {
  const all = await options();
  const installer = new AgentInstaller({
    architectures: () => Promise.resolve(["amd64"]),
    payload: () => Promise.resolve(all.payload),
  });
  const objects = loadAll(
    await installer.manifests(["gateway", "node"], { ranges: ["10.0.0.1/8"] }),
  ) as Manifest[];
  const kinds = objects.map(({ kind }) => kind);
  assert.deepEqual(kinds.slice(0, 4), [
    "Namespace",
    "Namespace",
    "CustomResourceDefinition",
    "CustomResourceDefinition",
  ]);
  assert.deepEqual(kinds.slice(-2), ["DaemonSet", "Deployment"]);
  const byName = (list: readonly Manifest[]) =>
    Object.fromEntries(list.map((each) => [`${each.kind} ${each.metadata.name}`, each]));
  const expected = byName([...gatewayManifests({ ...all, ranges: ["10.0.0.0/8"] }), ...nodeManifests(all)]);
  assert.deepEqual(byName(objects), JSON.parse(JSON.stringify(expected)));
  await assert.rejects(installer.manifests(["gateway"], { ranges: ["ten"] }), /"ten" is not a valid range/);
});
