import type { Service } from "../../kube/objects/objects.ts";

/** Further namespaces that are named. */
const MOST = 5;

/** The Services of a cluster. */
interface Services {
  readonly services: ReadonlyMap<string, Pick<Service, "name" | "namespace">>;
}

/** What to do where a namespace has no Service of a name: the namespaces that have one, or where to look. */
export function hintWhereElse(topologies: Iterable<Services>, name: string): string {
  const found = new Set<string>();
  for (const { services } of topologies) {
    for (const service of services.values()) if (service.name === name) found.add(service.namespace);
  }
  const [first, ...more] = [...found].sort();
  if (first === undefined) return "to see all Services: pmz services -A";
  const others = more.length === 0
    ? ""
    : `; and in ${more.slice(0, MOST).join(", ")}${more.length > MOST ? ", ..." : ""}`;
  return `there is one in ${first}: ${name}.${first}${others}`;
}
