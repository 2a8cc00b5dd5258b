/** A pod with one container, and what there is of what it names. */
import { parseService, type Service } from "../../objects/objects.ts";
import { filesOf, type MountedFiles } from "../files.ts";
import { Gaps } from "../gaps.ts";
import { parsePodSpec, type PodSpec } from "../pod_spec.ts";
import { keyOfObject, type ObjectData, type Sources } from "../sources.ts";
import { variablesOf } from "../variables.ts";

type Json = Record<string, unknown>;

const encoder = new TextEncoder();

export function podOf(container: Json, spec: Json = {}, metadata: Json = {}): PodSpec {
  return parsePodSpec({
    metadata: {
      name: "shop-1",
      namespace: "shop",
      uid: "u-1",
      labels: { app: "shop", tier: 'a "b"' },
      annotations: { note: "first\nsecond" },
      ...metadata,
    },
    spec: { nodeName: "node-1", containers: [{ name: "shop", ...container }], ...spec },
    status: {
      hostIP: "10.0.0.1",
      podIP: "10.244.0.5",
      podIPs: [{ ip: "10.244.0.5" }, { ip: "fd00::5" }],
    },
  }, { namespace: "shop" });
}

export function data(
  entries: Record<string, string | Uint8Array>,
  binary: readonly string[] = [],
): ObjectData {
  return {
    entries: new Map(
      Object.entries(entries).map((
        [key, value],
      ) => [key, typeof value === "string" ? encoder.encode(value) : value]),
    ),
    binary: new Set(binary),
  };
}

/** Objects by "ConfigMap NAME" and "Secret NAME"; what isn't there doesn't exist, a text says why it can't be read. */
export function sourcesOf(
  objects: Record<string, ObjectData | string> = {},
  more: Partial<Sources> = {},
): Sources {
  return {
    object: (name) => {
      const found = objects[keyOfObject(name)];
      if (found === undefined) return { isMissing: true, why: "doesn't exist" };
      return typeof found === "string" ? { isMissing: false, why: found } : { found };
    },
    token: ({ audience, expirationSeconds }) => ({
      found: `token for ${audience || "api"} ${expirationSeconds}`,
    }),
    services: [],
    allocatable: undefined,
    hasRelaxedNames: true,
    ...more,
  };
}

export function serviceOf(
  name: string,
  clusterIP: string,
  ports: readonly Json[],
  namespace = "shop",
): Service {
  return parseService({ metadata: { name, namespace, uid: name }, spec: { clusterIP, ports } });
}

export function variables(
  pod: PodSpec,
  sources: Sources = sourcesOf(),
): { variables: Record<string, string>; gaps: readonly string[] } {
  const gaps = new Gaps();
  const [container] = pod.containers;
  if (!container) throw new Error("the pod has no container");
  return { variables: Object.fromEntries(variablesOf(pod, container, sources, gaps)), gaps: gaps.lines };
}

/** Its files as "PATH MODE CONTENT". */
export function files(
  pod: PodSpec,
  sources: Sources = sourcesOf(),
): Pick<MountedFiles, "absent" | "folders"> & { files: readonly string[]; gaps: readonly string[] } {
  const gaps = new Gaps();
  const [container] = pod.containers;
  if (!container) throw new Error("the pod has no container");
  const mounted = filesOf(pod, container, variablesOf(pod, container, sources, gaps), sources, gaps);
  const text = new TextDecoder();
  return {
    ...mounted,
    files: mounted.files.map(({ path, mode, content }) =>
      `${path} ${mode.toString(8)} ${text.decode(content)}`
    ),
    gaps: gaps.lines,
  };
}
