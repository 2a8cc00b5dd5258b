/** What a container's environment is made of besides its pod: which objects it names, and what was found of them. */
import type { Service } from "../objects/objects.ts";
import { isOfNode } from "./pod_fields.ts";
import type {
  Container,
  ObjectName,
  PodSpec,
  ResourceSource,
  TokenRequest,
  VolumeSource,
} from "./pod_spec.ts";

/** The content of a ConfigMap or a Secret. */
export interface ObjectData {
  readonly entries: ReadonlyMap<string, Uint8Array>;
  /** Keys of `binaryData`: files have them, variables don't. */
  readonly binary: ReadonlySet<string>;
}

/** What was looked for, or why it isn't there: `isMissing` where it doesn't exist, and not merely can't be read. */
export type Found<T> =
  | { readonly found: T }
  | { readonly found?: undefined; readonly isMissing: boolean; readonly why: string };

export interface Sources {
  object(name: ObjectName): Found<ObjectData>;
  token(request: TokenRequest): Found<string>;
  /** Those of the pod's namespace, and `kubernetes` of the namespace default. */
  readonly services: readonly Service[];
  /** What the pod's node has for pods; undefined where that isn't known. */
  readonly allocatable: ReadonlyMap<string, string> | undefined;
  /** Whether names of variables may have any printable ASCII but "=": Kubernetes 1.32 and later. */
  readonly hasRelaxedNames: boolean;
}

/** The objects and tokens that a container's environment needs, each once. */
export interface References {
  readonly objects: readonly ObjectName[];
  readonly tokens: readonly TokenRequest[];
  readonly needsNode: boolean;
}

export function referencesOf(pod: PodSpec, container: Container): References {
  const mounted = new Set(container.mounts.map(({ volume }) => volume));
  const volumeSources = pod.volumes.filter(({ name }) => mounted.has(name)).flatMap(({ sources }) => sources);
  const objects = [
    ...container.envFrom.map(({ object }) => object),
    ...container.env.flatMap(({ from }) => from?.kind === "entry" ? [from.object] : []),
    ...volumeSources.flatMap((source) => source.kind === "object" ? [source.object] : []),
  ];
  const tokens = volumeSources.flatMap((source) => source.kind === "token" ? [source.token] : []);
  return {
    objects: [...new Map(objects.map((one) => [keyOfObject(one), one])).values()],
    tokens: [...new Map(tokens.map((one) => [keyOfToken(one), one])).values()],
    needsNode: resourcesOf(container, volumeSources).some(({ container: name, resource }) => {
      const of = containerOf(pod, container, name);
      return of !== undefined && isOfNode(of, resource);
    }),
  };
}

function resourcesOf({ env }: Container, sources: readonly VolumeSource[]): ResourceSource[] {
  const items = sources.flatMap((source) => source.kind === "downward" ? source.items : []);
  return [...env, ...items].flatMap(({ from }) => from?.kind === "resource" ? [from] : []);
}

/** The container that a resource is of: another one where it is named. */
export function containerOf(pod: PodSpec, own: Container, name: string | undefined): Container | undefined {
  return name === undefined ? own : pod.containers.find((one) => one.name === name);
}

/** The same text for the same object. */
export function keyOfObject({ kind, name }: ObjectName): string {
  return `${kind} ${name}`;
}

/** The same text for equal requests. */
export function keyOfToken({ audience, expirationSeconds }: TokenRequest): string {
  return `${expirationSeconds} ${audience}`;
}
