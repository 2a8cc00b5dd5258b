import type { Api, KubeObject } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { pathOf, resources } from "../../kube/client/resources.ts";
import type { Container, ObjectName, PodSpec, TokenRequest } from "../../kube/environment/pod_spec.ts";
import {
  type Found,
  keyOfObject,
  keyOfToken,
  type ObjectData,
  referencesOf,
  type Sources,
} from "../../kube/environment/sources.ts";
import { parseService, type Service } from "../../kube/objects/objects.ts";
import { child, type Json } from "../../kube/objects/parse.ts";

/** Objects that a container's environment may name, at most. */
const MOST_OBJECTS = 512;
/** Bytes of all of them together: each has up to 1 MiB. */
const MOST_BYTES = 24 << 20;
/** Requests at a time. */
const AT_ONCE = 8;
const MOST_SERVICES = 5_000;
/** Since this version a kubelet takes any printable name of a variable from an object (RelaxedEnvironmentVariableValidation). */
const RELAXED_SINCE = { major: 1, minor: 32 };
/** The API server issues no token for less, in seconds. */
const SHORTEST_TOKEN = 600;

/** What was found, and in words what the user may not read besides ConfigMaps and Secrets. */
export interface ReadSources {
  readonly sources: Sources;
  readonly gaps: readonly string[];
}

/**
 * Reads what a container's environment is made of, with the user's own rights. What may not be read, or isn't there, is
 * noted and takes nothing else along. Errors never have content of an object.
 * @throws {ApiError} when the cluster can't be reached at all
 */
export async function readSources(
  api: Api,
  pod: PodSpec,
  container: Container,
  signal?: AbortSignal,
): Promise<ReadSources> {
  const call = signal ? { signal } : {};
  const references = referencesOf(pod, container);
  const gaps: string[] = [];
  const objects = new Map<string, Found<ObjectData>>();
  const budget = { bytes: MOST_BYTES };
  await inBatches(references.objects.slice(0, MOST_OBJECTS), async (name) => {
    objects.set(keyOfObject(name), await readObject(api, pod.namespace, name, budget, call));
  });
  const tokens = new Map<string, Found<string>>();
  await inBatches(references.tokens.slice(0, MOST_OBJECTS), async (request) => {
    tokens.set(keyOfToken(request), await requestToken(api, pod, request, call));
  });
  const services = await readServices(api, pod, call).catch((error) => {
    gaps.push(`Services ${whyNot(error).why}: without the variables of Services`);
    return [];
  });
  const { nodeName } = pod;
  const allocatable = references.needsNode && nodeName !== undefined
    ? await api.get(resources.nodes, { name: nodeName }, call).then(allocatableOf, (error) => {
      gaps.push(`node ${nodeName} ${whyNot(error).why}: without its limits`);
      return undefined;
    })
    : undefined;
  const tooMany = { isMissing: false, why: `is left out, since there are more than ${MOST_OBJECTS}` };
  return {
    sources: {
      object: (name) => objects.get(keyOfObject(name)) ?? tooMany,
      token: (request) => tokens.get(keyOfToken(request)) ?? tooMany,
      services,
      allocatable,
      hasRelaxedNames: await hasRelaxedNames(api, call),
    },
    gaps,
  };
}

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += AT_ONCE) await Promise.all(items.slice(i, i + AT_ONCE).map(work));
}

type Call = { readonly signal?: AbortSignal };

async function readObject(
  api: Api,
  namespace: string,
  { kind, name }: ObjectName,
  budget: { bytes: number },
  call: Call,
): Promise<Found<ObjectData>> {
  const resource = kind === "Secret" ? resources.secrets : resources.configMaps;
  try {
    const data = dataOf(kind, await api.get(resource, { namespace, name }, call));
    for (const bytes of data.entries.values()) budget.bytes -= bytes.length;
    if (budget.bytes >= 0) return { found: data };
    return {
      isMissing: false,
      why: `is left out, since all together have more than ${MOST_BYTES >> 20} MiB`,
    };
  } catch (error) {
    return whyNot(error);
  }
}

/** Why something wasn't read; never with its content. @throws what concerns more than this one thing */
function whyNot(error: unknown): { readonly isMissing: boolean; readonly why: string } {
  if (ApiError.is(error, "NotFound")) return { isMissing: true, why: "doesn't exist" };
  if (ApiError.is(error, "Forbidden")) return { isMissing: false, why: "may not be read with your rights" };
  if (ApiError.is(error) && (error.status === 0 || error.status === 401)) throw error;
  if (ApiError.is(error)) return { isMissing: false, why: `can't be read (${error.status} ${error.reason})` };
  if (error instanceof DOMException) throw error; // interrupted
  return { isMissing: false, why: "isn't valid" };
}

function dataOf(kind: ObjectName["kind"], object: KubeObject): ObjectData {
  const encoder = new TextEncoder();
  const entries = new Map<string, Uint8Array>();
  const from: Json = object;
  for (const [key, value] of Object.entries(child(from, "data", ""))) {
    if (typeof value !== "string") continue;
    entries.set(key, kind === "Secret" ? Uint8Array.fromBase64(value) : encoder.encode(value));
  }
  const binary = kind === "Secret" ? [] : Object.entries(child(from, "binaryData", ""));
  for (const [key, value] of binary) {
    if (typeof value === "string") entries.set(key, Uint8Array.fromBase64(value));
  }
  return { entries, binary: new Set(binary.map(([key]) => key)) };
}

/** A token as a kubelet would have it for the pod: it is no longer valid when the pod is deleted. */
async function requestToken(
  api: Api,
  { namespace, serviceAccountName, name, uid }: PodSpec,
  { audience, expirationSeconds }: TokenRequest,
  call: Call,
): Promise<Found<string>> {
  const path = pathOf(resources.serviceAccounts, {
    namespace,
    name: serviceAccountName,
    subresource: "token",
  });
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {
      audiences: audience === "" ? [] : [audience],
      expirationSeconds: Math.max(expirationSeconds, SHORTEST_TOKEN),
      ...(name === undefined || uid === undefined
        ? {}
        : { boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid } }),
    },
  };
  try {
    const answer = await api.json("POST", path, {
      ...call,
      body,
      what: `get a token of ${serviceAccountName}`,
    });
    const { token } = child(answer as Json, "status", "");
    return typeof token === "string" ? { found: token } : { isMissing: false, why: "isn't valid" };
  } catch (error) {
    if (ApiError.is(error, "Forbidden")) {
      return { isMissing: false, why: "may not be requested with your rights" };
    }
    return whyNot(error);
  }
}

async function readServices(api: Api, { namespace }: PodSpec, call: Call): Promise<Service[]> {
  const { items } = await api.list(resources.services, { namespace }, { ...call, maxObjects: MOST_SERVICES });
  const services = items.map(parseService);
  if (namespace === "default") return services;
  const server = await api.get(resources.services, { namespace: "default", name: "kubernetes" }, call)
    .then((raw) => [parseService(raw)], async (error) => {
      if (!ApiError.is(error, "Forbidden")) throw error;
      return await Promise.resolve([]);
    });
  return [...server, ...services];
}

function allocatableOf(node: KubeObject): ReadonlyMap<string, string> {
  const entries = Object.entries(child(child(node, "status", ""), "allocatable", "status"));
  return new Map(
    entries.flatMap(([name, value]) => typeof value === "string" ? [[name, value] as const] : []),
  );
}

async function hasRelaxedNames(api: Api, call: Call): Promise<boolean> {
  const version = await api.json("GET", "/version", { ...call, what: "ask for the version" }).catch(
    () => ({}),
  );
  const { gitVersion } = version as { gitVersion?: unknown };
  const [, major = 0, minor = 0] = /^v?(\d+)\.(\d+)/.exec(String(gitVersion)) ?? [];
  return Number(major) > RELAXED_SINCE.major ||
    (Number(major) === RELAXED_SINCE.major && Number(minor) >= RELAXED_SINCE.minor);
}
