import type { Service } from "../objects/objects.ts";

/** The Service whose variables every pod gets, whatever its `enableServiceLinks` says. */
const ALWAYS = { namespace: "default", name: "kubernetes" };

/**
 * The variables by which a kubelet tells a pod of Services: `{NAME}_SERVICE_HOST`, `{NAME}_SERVICE_PORT`, and those that
 * Docker's links had. Services without an address of their own have none.
 */
export function serviceVariables(
  services: readonly Service[],
  namespace: string,
  enableServiceLinks: boolean,
): Map<string, string> {
  const told = new Map<string, Service>();
  for (const service of services) {
    const isApi = service.namespace === ALWAYS.namespace && service.name === ALWAYS.name;
    if (isApi) {
      if (!told.has(service.name)) told.set(service.name, service);
    } else if (enableServiceLinks && service.namespace === namespace && service.clusterIPs.length > 0) {
      told.set(service.name, service);
    }
  }
  return new Map([...told.values()].flatMap(variablesOf));
}

function variablesOf({ name, clusterIPs, ports }: Service): [string, string][] {
  const [address] = clusterIPs;
  const [first] = ports;
  if (address === undefined || !first) return [];
  const prefix = variableName(name);
  const port = `${prefix}_SERVICE_PORT`;
  return [
    [`${prefix}_SERVICE_HOST`, address],
    [port, String(first.port)],
    ...ports.filter((one) => one.name !== "").map((one): [string, string] => [
      `${port}_${variableName(one.name)}`,
      String(one.port),
    ]),
    ...ports.flatMap((one, i) => linkVariables(prefix, address, one, i === 0)),
  ];
}

function linkVariables(
  prefix: string,
  address: string,
  { port, protocol }: Service["ports"][number],
  isFirst: boolean,
): [string, string][] {
  const scheme = protocol.toLowerCase();
  const url = `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`;
  const link = `${prefix}_PORT_${port}_${protocol}`;
  return [
    ...isFirst ? [[`${prefix}_PORT`, url] as [string, string]] : [],
    [link, url],
    [`${link}_PROTO`, scheme],
    [`${link}_PORT`, String(port)],
    [`${link}_ADDR`, address],
  ];
}

function variableName(name: string): string {
  return name.replaceAll("-", "_").toUpperCase();
}
