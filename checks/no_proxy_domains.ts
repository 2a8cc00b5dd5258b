import { Zone } from "../names/zone/zone.ts";
import type { ServedNames } from "../wire/doctor.ts";
import type { Resolver } from "./parts.ts";

/** Domains at most: the line is typed, and programs compare each request's host with all of them. */
const MOST = 100;

/**
 * What NO_PROXY has to have, so that programs ask no proxy for the names that are answered: a domain with a dot before it stands for
 * all names below it, for curl, Go, Python and Node alike. What would keep names of the internet from a proxy is left out.
 */
export function noProxyDomains(
  { names, namespaces }: ServedNames,
  { hostname, search }: Pick<Resolver, "hostname" | "search">,
): string[] {
  const zone = new Zone();
  zone.setSurroundings({ hostname, searchDomains: search });
  const own = new Set(namespaces);
  const custom = names.flatMap(({ custom, name }) => custom ? [name.replace(/^\*/, "")] : []);
  const services = names.filter(({ custom }) => !custom).map(({ name }) => name.split("."));
  const spaces = services.map(([, namespace = ""]) => namespace);
  const plain = services.flatMap(([service = "", namespace = ""]) => own.has(namespace) ? [service] : []);
  const short = [...new Set(spaces), ...new Set(plain)].filter((label) => !zone.isReserved(label));
  const all = [
    ".svc",
    ".cluster.local",
    ...custom,
    ...short.map((label) => plain.includes(label) ? label : `.${label}`),
  ];
  return [...new Set(all)].slice(0, MOST);
}

/** A host that a domain of NO_PROXY is meant for. */
export function hostIn(domain: string): string {
  if (domain === ".svc") return "service.namespace.svc";
  return domain.startsWith(".") ? `service${domain}` : domain;
}
