import { hintWhereElse } from "../discovery/where_else.ts";
import type { Service, ServicePort } from "../../kube/objects/objects.ts";
import { podPort } from "../../kube/objects/selectors.ts";
import { podsOf, type Topology } from "../discovery/topology.ts";
import type { InterceptRule } from "../../wire/intercept.ts";
import type { Match, Taken } from "../../wire/match.ts";
import { Failure } from "../failure.ts";

/** A Service's port that can be intercepted, or what is to be taken of it. */
export interface InterceptTarget {
  readonly service: Service;
  readonly port: ServicePort;
  /** Absent: all of it. */
  readonly match?: Match;
  /** The pods answer, and the laptop gets a copy. */
  readonly mirror?: true;
}

/** What the rule of a target says of what it takes. */
export function takenOf({ port, match, mirror }: InterceptTarget): Taken {
  return {
    ...(port.protocol === "UDP" && { protocol: "UDP" as const }),
    ...(match && { match }),
    ...(mirror && { mirror }),
  };
}

/** A Service's port as users see it: "echo.default:80", "dns.kube-system:53/udp". */
export function portWords({ service, port }: InterceptTarget): string {
  return `${service.name}.${service.namespace}:${port.port}${port.protocol === "UDP" ? "/udp" : ""}`;
}

/**
 * Refuses a match of which nothing could hold, by what the Service says of its port's protocol.
 * @throws {Failure}
 */
export function refuseUnseen(target: InterceptTarget): void {
  const { port, match, mirror } = target;
  const protocol = (port.appProtocol ?? port.name).toLowerCase();
  const where = portWords(target);
  if (port.protocol === "UDP") return refuseUnseenInDatagrams(where, target);
  const isTls = /^(https|tls)\b/.test(protocol) || port.appProtocol === undefined && port.port === 443;
  if (mirror && isTls) {
    throw new Failure(
      "usage",
      `${where} speaks TLS: a copy of what its pods are sent can't be read by anybody else`,
      {
        hint: "mirror a port behind what ends TLS",
      },
    );
  }
  if (mirror && isHttp2(protocol) && needsHead(match)) {
    throw new Failure("usage", `${where} speaks HTTP/2, whose requests can't be mirrored one by one yet`, {
      hint: "mirror whole connections: leave out the matchers, or use --from alone",
    });
  }
  if (match === undefined) return;
  const { hosts: _, callers: __, ...ofRequests } = match;
  const needsRequests = Object.keys(ofRequests).length > 0;
  if (needsRequests && isTls) {
    throw new Failure("usage", `${where} speaks TLS, of which only the server's name can be seen`, {
      hint: "use --domain, --host or --from alone",
    });
  }
}

/** Of datagrams nothing but their callers can be told apart. @throws {Failure} */
function refuseUnseenInDatagrams(where: string, { match, mirror }: InterceptTarget): void {
  if (mirror) {
    throw new Failure("usage", `${where} is UDP, whose datagrams can't be mirrored`, {
      hint: "leave out --mirror to answer it, or add --from for the datagrams of some callers alone",
    });
  }
  if (needsHead(match)) {
    throw new Failure("usage", `${where} is UDP, of whose datagrams only the callers can be told apart`, {
      hint: "use --from alone, or no matcher for all datagrams",
    });
  }
}

/** What a port says that begins with HTTP/2's preface. */
function isHttp2(protocol: string): boolean {
  return /^(grpc|h2c|http2|kubernetes\.io\/h2c)\b/.test(protocol);
}

/** Whether a match looks at more than who calls. */
function needsHead(match: Match | undefined): boolean {
  const { callers: _, ...others } = match ?? {};
  return Object.keys(others).length > 0;
}

/**
 * The Service and port of a request.
 * @param port name, number or "53/udp"; without it the Service's only TCP port, or the one named "http", or 80, or its only UDP port
 * @param localPort the one on the laptop, for the hint when the two were given in the wrong order
 * @throws {Failure} with what there is instead, or why it can't be intercepted
 */
export function findTarget(
  topology: Topology,
  namespace: string,
  name: string,
  port?: string,
  localPort?: number,
): InterceptTarget {
  const service = topology.services.get(`${namespace}/${name}`);
  if (!service) {
    throw new Failure("not-found", `there is no Service ${name} in the namespace ${namespace}`, {
      hint: hintWhereElse([topology], name),
    });
  }
  const where = `${name}.${namespace}`;
  if (!service.selector) {
    const why = service.externalName
      ? "it's an ExternalName"
      : "it has no selector, so it has no pods of its own";
    throw new Failure("usage", `${where} can't be intercepted: ${why}`);
  }
  return { service, port: portOf(service, port, localPort) };
}

/**
 * The port of a Service that is meant, as in findTarget.
 * @throws {Failure} with what there is instead
 */
export function portOf(service: Service, port?: string, localPort?: number): ServicePort {
  const where = `${service.name}.${service.namespace}`;
  const of = (protocol: ServicePort["protocol"]) => service.ports.filter((one) => one.protocol === protocol);
  const [tcp, udp] = [of("TCP"), of("UDP")];
  const known = [...tcp, ...udp];
  const names = known.map((one) => {
    const number = `${one.port}${one.protocol === "UDP" ? "/udp" : ""}`;
    return one.name ? `${number} (${one.name})` : number;
  }).join(", ");
  if (port === undefined) {
    const meant = known.length === 1
      ? known[0]
      : tcp.length === 1
      ? tcp[0]
      : tcp.find((one) => one.name === "http") ?? tcp.find((one) => one.port === 80);
    if (meant) return meant;
    const [first] = known;
    const has = first
      ? (first.protocol === "TCP" ? "several TCP ports" : "several UDP ports")
      : service.ports.length > 0
      ? "no TCP or UDP port, and no other can be intercepted"
      : "no port";
    throw new Failure(
      "usage",
      `${where} has ${has}${names && `: ${names}`}`,
      first ? { hint: `choose one: pmz intercept ${where} LOCAL:${first.name || names.split(" ")[0]}` } : {},
    );
  }
  const [number, protocol] = port.split("/");
  const isMeant = (one: ServicePort) => one.name === number || String(one.port) === number;
  // Of a number that both protocols have, TCP is meant unless UDP is named.
  const found = (protocol === undefined ? known : protocol === "udp" ? udp : tcp).find(isMeant);
  if (found) return found;
  const other = service.ports.find(isMeant);
  if (other) {
    const why = protocol === undefined ? ": only TCP and UDP can be intercepted" : "";
    throw new Failure("usage", `port ${number} of ${where} is ${other.protocol}${why}`, {
      ...(names ? { hint: `its ports: ${names}` } : {}),
    });
  }
  const isReversed = known.some((one) => one.port === localPort);
  throw new Failure("not-found", `${where} has no port ${port}`, {
    hint: isReversed
      ? `LOCAL comes first: pmz intercept ${where} ${port}:${localPort}`
      : `it has ${names || "no port"}`,
  });
}

/**
 * The target as its Service is now: an intercept is of a name and a port's number, whatever they lead to meanwhile. Undefined
 * while there is no Service of that name.
 */
export function currentTarget(topology: Topology, target: InterceptTarget): InterceptTarget | undefined {
  const { namespace, name } = target.service;
  const service = topology.services.get(`${namespace}/${name}`);
  if (!service) return undefined;
  const port = service.ports.find(({ port, protocol }) =>
    protocol === target.port.protocol && port === target.port.port
  );
  return { ...target, service, port: port ?? target.port };
}

/**
 * Other Services whose traffic is intercepted too, as "name:port": steering is by pod port, so connections by any Service to the
 * same port of the same pods are steered.
 */
export function alsoTaken(topology: Topology, target: InterceptTarget): string[] {
  const { namespace } = target.service;
  const services = [...topology.services.values()].filter((service) => service.namespace === namespace);
  const taken = portsByPod(topology, target);
  return services.flatMap((service) =>
    service.ports
      .filter((port) => port.protocol === target.port.protocol)
      .filter((port) => service.uid !== target.service.uid || port.port !== target.port.port)
      .filter((port) => shares(topology, { service, port }, taken))
      .map((port) => `${service.name}:${port.port}${port.protocol === "UDP" ? "/udp" : ""}`)
  );
}

/** Whether two Service ports of a namespace lead to the same port of a pod: one of them alone can be intercepted. */
export function haveOnePort(topology: Topology, a: InterceptTarget, b: InterceptTarget): boolean {
  return a.port.protocol === b.port.protocol && shares(topology, b, portsByPod(topology, a));
}

/** Which of these rules of the target's namespace are asked for the same port of the same pods, by whatever Service. */
export function rulesAtSamePort(
  topology: Topology,
  target: InterceptTarget,
  rules: readonly InterceptRule[],
): InterceptRule[] {
  const { service: { namespace, name }, port } = target;
  const taken = portsByPod(topology, target);
  const known = new Map([[`${name}:${port.port}`, true]]);
  const ofSameProtocol = rules.filter((rule) => (rule.protocol ?? "TCP") === port.protocol);
  const isThere = (rule: InterceptRule): boolean => {
    const service = topology.services.get(`${namespace}/${rule.service}`);
    const its = service?.ports.find((one) => one.port === rule.port && one.protocol === port.protocol);
    return service !== undefined && its !== undefined && shares(topology, { service, port: its }, taken);
  };
  return ofSameProtocol.filter((rule) => {
    const key = `${rule.service}:${rule.port}`;
    const isSame = known.get(key) ?? isThere(rule);
    known.set(key, isSame);
    return isSame;
  });
}

function portsByPod(topology: Topology, { service, port }: InterceptTarget): Map<string, number | undefined> {
  return new Map(podsOf(topology, service).map((pod) => [pod.uid, podPort(pod, port)]));
}

function shares(
  topology: Topology,
  { service, port }: InterceptTarget,
  taken: ReadonlyMap<string, number | undefined>,
): boolean {
  return podsOf(topology, service).some((pod) => {
    const number = podPort(pod, port);
    return number !== undefined && number === taken.get(pod.uid);
  });
}
