import { expand } from "./expansion.ts";
import type { Gaps } from "./gaps.ts";
import { fieldOf, resourceOf } from "./pod_fields.ts";
import type { Container, EnvFrom, ObjectName, PodSpec, Variable } from "./pod_spec.ts";
import { serviceVariables } from "./service_variables.ts";
import { containerOf, type Sources } from "./sources.ts";

const STRICT_NAME = /^(?!\.$|\.\.)[-._a-zA-Z][-._a-zA-Z0-9]*$/;
const RELAXED_NAME = /^[\x20-<>-~]+$/;
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The variables of a container, as a kubelet sets them when it starts: those of `envFrom`, then those of `env` in their order,
 * with references to earlier ones and to Services expanded, then the Services' where no other has the name. What the image
 * sets isn't known here.
 */
export function variablesOf(
  pod: PodSpec,
  container: Container,
  sources: Sources,
  gaps: Gaps,
): Map<string, string> {
  const services = serviceVariables(sources.services, pod.namespace, pod.enableServiceLinks);
  const variables = new Map<string, string>();
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) return;
    if (value.includes("\0")) gaps.add("a variable can't have a zero byte", name);
    else variables.set(name, value);
  };
  for (const from of container.envFrom) {
    for (const [name, value] of entriesOf(from, sources, gaps)) set(name, value);
  }
  for (const variable of container.env) {
    const { name, value } = variable;
    set(
      name,
      value === ""
        ? valueOf(variable, pod, container, sources, gaps)
        : expand(value, (other) => variables.get(other) ?? services.get(other)),
    );
  }
  for (const [name, value] of services) if (!variables.has(name)) variables.set(name, value);
  return variables;
}

function* entriesOf(
  { object, optional, prefix }: EnvFrom,
  sources: Sources,
  gaps: Gaps,
): Generator<[string, string | undefined]> {
  const { found, ...lack } = sources.object(object);
  if (!found) {
    if (!(optional && "isMissing" in lack && lack.isMissing)) {
      gaps.add(
        `${nameOf(object)} ${"why" in lack ? lack.why : ""}`,
        prefix === "" ? "all its variables" : `all its variables ${prefix}*`,
      );
    }
    return;
  }
  for (const [key, bytes] of found.entries) {
    const name = `${prefix}${key}`;
    if (found.binary.has(key) || !isName(name, sources.hasRelaxedNames)) continue;
    yield [name, textOf(bytes, object, name, gaps)];
  }
}

/** Whether a kubelet takes it for the name of a variable; entries with other names it leaves out. */
function isName(name: string, isRelaxed: boolean): boolean {
  return (isRelaxed ? RELAXED_NAME : STRICT_NAME).test(name);
}

/** The value of a variable without a text of its own; undefined where it isn't set. */
function valueOf(
  { name, from }: Variable,
  pod: PodSpec,
  container: Container,
  sources: Sources,
  gaps: Gaps,
): string | undefined {
  switch (from?.kind) {
    case undefined:
      return "";
    case "entry": {
      const { object, key, optional } = from;
      const looked = sources.object(object);
      if (!looked.found) {
        if (!(optional && looked.isMissing)) gaps.add(`${nameOf(object)} ${looked.why}`, name);
        return undefined;
      }
      const bytes = looked.found.binary.has(key) ? undefined : looked.found.entries.get(key);
      if (bytes) return textOf(bytes, object, name, gaps);
      if (!optional) gaps.add(`${nameOf(object)} has no key ${key}`, name);
      return undefined;
    }
    case "field": {
      const value = fieldOf(pod, from.path);
      if (value === undefined) gaps.add(lacksField(pod, from.path), name);
      return value;
    }
    case "resource": {
      const of = containerOf(pod, container, from.container);
      const value = of && resourceOf(of, from, sources.allocatable);
      if (value === undefined) gaps.add(`${from.resource} of the container isn't known here`, name);
      return value;
    }
    case "other":
      gaps.add(`pmz doesn't know ${from.what}`, name);
      return undefined;
  }
}

/** Why a field has no value. */
export function lacksField(pod: PodSpec, path: string): string {
  return pod.name === undefined ? `no pod runs that has ${path}` : `the pod has no ${path}`;
}

/** "Secret db" */
export function nameOf({ kind, name }: ObjectName): string {
  return `${kind} ${name}`;
}

function textOf(bytes: Uint8Array, object: ObjectName, name: string, gaps: Gaps): string | undefined {
  try {
    return text.decode(bytes);
  } catch {
    gaps.add(`${nameOf(object)} has bytes that aren't UTF-8`, name);
    return undefined;
  }
}
