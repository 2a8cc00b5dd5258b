import {
  child,
  dnsName,
  entryText,
  field,
  type Json,
  list,
  optionalBoolean,
  optionalPort,
  optionalText,
  ParseError,
  record,
  text,
} from "../objects/parse.ts";

/** A ConfigMap or a Secret of the pod's namespace. */
export interface ObjectName {
  readonly kind: "ConfigMap" | "Secret";
  readonly name: string;
}

/** All entries of an object as variables. */
export interface EnvFrom {
  readonly object: ObjectName;
  readonly optional: boolean;
  readonly prefix: string;
}

/** Where a value comes from: an entry of an object, a field of the pod, a container's limit; `other` is a kind that isn't known here. */
export type ValueSource =
  | { readonly kind: "entry"; readonly object: ObjectName; readonly key: string; readonly optional: boolean }
  | FieldSource
  | ResourceSource
  | { readonly kind: "other"; readonly what: string };
export interface FieldSource {
  readonly kind: "field";
  /** "metadata.labels['app']" */
  readonly path: string;
}
export interface ResourceSource {
  readonly kind: "resource";
  /** The container itself where it is absent. */
  readonly container: string | undefined;
  /** "limits.cpu" */
  readonly resource: string;
  readonly divisor: string;
}

export interface Variable {
  readonly name: string;
  readonly value: string;
  /** Counts where `value` is empty. */
  readonly from: ValueSource | undefined;
}

export interface Mount {
  readonly volume: string;
  readonly path: string;
  readonly subPath: string;
  /** With references to variables. */
  readonly subPathExpr: string;
}

export interface Container {
  readonly name: string;
  readonly envFrom: readonly EnvFrom[];
  readonly env: readonly Variable[];
  readonly mounts: readonly Mount[];
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly limits: ReadonlyMap<string, string>;
  readonly requests: ReadonlyMap<string, string>;
}

/** A file of a volume that is named by itself; `mode` is the volume's where it is absent. */
export interface Item {
  readonly path: string;
  readonly mode: number | undefined;
}

/** What a volume has files of. */
export type VolumeSource =
  | {
    readonly kind: "object";
    readonly object: ObjectName;
    readonly optional: boolean;
    /** All entries, by their keys, where there are none. */
    readonly items: readonly (Item & { readonly key: string })[];
  }
  | {
    readonly kind: "downward";
    readonly items: readonly (Item & { readonly from: FieldSource | ResourceSource })[];
  }
  | { readonly kind: "token"; readonly token: TokenRequest; readonly path: string }
  | { readonly kind: "other"; readonly what: string };

/** A token of the pod's service account. */
export interface TokenRequest {
  /** The API server where it is empty. */
  readonly audience: string;
  readonly expirationSeconds: number;
}

export interface Volume {
  readonly name: string;
  readonly defaultMode: number;
  readonly sources: readonly VolumeSource[];
}

/** What a container's environment is made of, of a pod; or of a pod template, which lacks what only a pod has. */
export interface PodSpec {
  readonly namespace: string;
  /** Absent for a template. */
  readonly name: string | undefined;
  readonly uid: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  readonly nodeName: string | undefined;
  readonly serviceAccountName: string;
  readonly hostIPs: readonly string[];
  readonly podIPs: readonly string[];
  readonly enableServiceLinks: boolean;
  /** The pod's own, and those of its init containers that stay: sidecars. */
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
}

const CONTAINERS = 500, VARIABLES = 10_000, MOUNTS = 1_000, VOLUMES = 1_000, ITEMS = 10_000, PORTS = 1_000;
/** Characters of a value that stands in the spec itself: the API server takes no larger objects. */
const LONGEST = 3 << 20;
const DEFAULT_MODE = 0o644;
/** What the API server fills in. */
const TOKEN_SECONDS = 3600;

/** @throws {ParseError} */
export function parsePodSpec(raw: unknown, at: { readonly namespace: string }): PodSpec {
  const object = record(raw, "");
  const metadata = child(object, "metadata", "");
  const spec = child(object, "spec", "");
  const status = child(object, "status", "");
  const container = (entry: unknown, path: string) => parseContainer(record(entry, path), path);
  const sidecars = list(
    spec,
    "initContainers",
    "spec",
    CONTAINERS,
    (entry, path) => field(record(entry, path), "restartPolicy") === "Always" ? [container(entry, path)] : [],
  ).flat();
  return {
    namespace: at.namespace,
    name: optionalText(metadata, "name", "metadata"),
    uid: optionalText(metadata, "uid", "metadata"),
    labels: textsOf(metadata, "labels", "metadata"),
    annotations: textsOf(metadata, "annotations", "metadata"),
    nodeName: optionalText(spec, "nodeName", "spec"),
    serviceAccountName: optionalText(spec, "serviceAccountName", "spec") || "default",
    hostIPs: addresses(status, "hostIPs", "hostIP"),
    podIPs: addresses(status, "podIPs", "podIP"),
    enableServiceLinks: optionalBoolean(spec, "enableServiceLinks", "spec") ?? true,
    containers: [...list(spec, "containers", "spec", CONTAINERS, container), ...sidecars],
    volumes: list(
      spec,
      "volumes",
      "spec",
      VOLUMES,
      (entry, path) => parseVolume(record(entry, path), path),
    ),
  };
}

function addresses(status: Json, several: string, one: string): string[] {
  const all = list(
    status,
    several,
    "status",
    10,
    (entry, path) => optionalText(record(entry, path), "ip", path) ?? "",
  ).filter((ip) => ip !== "");
  const single = optionalText(status, one, "status");
  return all.length > 0 || !single ? all : [single];
}

function parseContainer(from: Json, path: string): Container {
  const resources = child(from, "resources", path);
  return {
    name: dnsName(from, "name", path),
    envFrom: list(from, "envFrom", path, VARIABLES, (entry, at) => parseEnvFrom(record(entry, at), at))
      .flat(),
    env: list(from, "env", path, VARIABLES, (entry, at) => parseVariable(record(entry, at), at)),
    mounts: list(from, "volumeMounts", path, MOUNTS, (entry, at) => {
      const mount = record(entry, at);
      return {
        volume: text(mount, "name", at),
        path: text(mount, "mountPath", at, 4096),
        subPath: optionalText(mount, "subPath", at, 4096) ?? "",
        subPathExpr: optionalText(mount, "subPathExpr", at, 4096) ?? "",
      };
    }),
    ports: list(from, "ports", path, PORTS, (entry, at) => {
      const port = record(entry, at);
      return {
        name: optionalText(port, "name", at) ?? "",
        port: optionalPort(port, "containerPort", at) ?? 0,
      };
    }),
    limits: textsOf(resources, "limits", `${path}.resources`),
    requests: textsOf(resources, "requests", `${path}.resources`),
  };
}

function parseEnvFrom(from: Json, path: string): EnvFrom[] {
  const prefix = optionalText(from, "prefix", path, LONGEST) ?? "";
  return kinds.flatMap(([kind, name]) => {
    if (field(from, `${name}Ref`) === undefined) return [];
    const ref = child(from, `${name}Ref`, path);
    return [{ ...parseReference(kind, ref, `${path}.${name}Ref`), prefix }];
  });
}

const kinds = [["ConfigMap", "configMap"], ["Secret", "secret"]] as const;

function parseReference(kind: ObjectName["kind"], ref: Json, path: string, nameField = "name") {
  return {
    object: { kind, name: text(ref, nameField, path) },
    optional: optionalBoolean(ref, "optional", path) ?? false,
  };
}

function parseVariable(from: Json, path: string): Variable {
  const source = field(from, "valueFrom");
  return {
    name: text(from, "name", path, LONGEST),
    value: optionalText(from, "value", path, LONGEST) ?? "",
    from: source === undefined ? undefined : parseValueSource(record(source, path), path),
  };
}

function parseValueSource(from: Json, path: string): ValueSource {
  for (const [kind, name] of kinds) {
    if (field(from, `${name}KeyRef`) === undefined) continue;
    const at = `${path}.${name}KeyRef`;
    const ref = child(from, `${name}KeyRef`, path);
    return { kind: "entry", ...parseReference(kind, ref, at), key: text(ref, "key", at) };
  }
  return parsePodSource(from, path) ?? { kind: "other", what: Object.keys(from)[0] ?? "nothing" };
}

/** What the downward API has: a field of the pod, or a container's resources. */
function parsePodSource(from: Json, path: string): FieldSource | ResourceSource | undefined {
  if (field(from, "fieldRef") !== undefined) {
    return {
      kind: "field",
      path: text(child(from, "fieldRef", path), "fieldPath", `${path}.fieldRef`, 1024),
    };
  }
  if (field(from, "resourceFieldRef") === undefined) return undefined;
  const at = `${path}.resourceFieldRef`;
  const ref = child(from, "resourceFieldRef", path);
  return {
    kind: "resource",
    container: optionalText(ref, "containerName", at) || undefined,
    resource: text(ref, "resource", at),
    divisor: quantityText(field(ref, "divisor"), `${at}.divisor`) ?? "1",
  };
}

function parseVolume(from: Json, path: string): Volume {
  const name = text(from, "name", path);
  const [what = "nothing"] = Object.keys(from).filter((key) => key !== "name");
  const body = child(from, what, path);
  const at = `${path}.${what}`;
  return {
    name,
    defaultMode: mode(body, "defaultMode", at) ?? DEFAULT_MODE,
    sources: what === "projected"
      ? list(body, "sources", at, VOLUMES, (entry, place) => parseProjected(record(entry, place), place))
      : [parseVolumeSource(what, body, at)],
  };
}

function parseProjected(from: Json, path: string): VolumeSource {
  const [what = "nothing"] = Object.keys(from);
  return parseVolumeSource(what, child(from, what, path), `${path}.${what}`);
}

function parseVolumeSource(what: string, body: Json, path: string): VolumeSource {
  switch (what) {
    case "configMap":
    case "secret": {
      const kind = what === "secret" ? "Secret" : "ConfigMap";
      // A volume of a Secret names it otherwise than a source of a projected one.
      const nameField = field(body, "secretName") === undefined ? "name" : "secretName";
      const items = list(body, "items", path, ITEMS, (entry, at) => {
        const item = record(entry, at);
        return { key: text(item, "key", at), ...parseItem(item, at) };
      });
      return { kind: "object", ...parseReference(kind, body, path, nameField), items };
    }
    case "downwardAPI":
      return {
        kind: "downward",
        items: list(body, "items", path, ITEMS, (entry, at) => {
          const item = record(entry, at);
          const from = parsePodSource(item, at);
          if (!from) throw new ParseError(at, "a field of the pod");
          return { ...parseItem(item, at), from };
        }),
      };
    case "serviceAccountToken":
      return {
        kind: "token",
        token: {
          audience: optionalText(body, "audience", path, 1024) ?? "",
          expirationSeconds: seconds(body, path),
        },
        path: text(body, "path", path, 4096),
      };
    default:
      return { kind: "other", what };
  }
}

function parseItem(item: Json, path: string): Item {
  return { path: text(item, "path", path, 4096), mode: mode(item, "mode", path) };
}

function seconds(from: Json, path: string): number {
  const value = field(from, "expirationSeconds") ?? TOKEN_SECONDS;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1) {
    throw new ParseError(`${path}.expirationSeconds`, "a number of seconds");
  }
  return value;
}

function mode(from: Json, name: string, path: string): number | undefined {
  const value = field(from, name);
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0o777) {
    throw new ParseError(`${path}.${name}`, "a file's mode");
  }
  return value;
}

/** A map of texts of any length; quantities may be numbers. @throws {ParseError} */
function textsOf(from: Json, name: string, path: string): Map<string, string> {
  const entries = Object.entries(child(from, name, path));
  if (entries.length > ITEMS) throw new ParseError(`${path}.${name}`, `a map of at most ${ITEMS} entries`);
  return new Map(entries.map(([key, value]) => [key, quantityText(value, `${path}.${name}`) ?? ""]));
}

function quantityText(value: unknown, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number") return String(value);
  return entryTextOrEmpty(value, path);
}

const anyText = entryText(LONGEST);
function entryTextOrEmpty(value: unknown, path: string): string {
  return value === "" ? "" : anyText(value, path);
}
