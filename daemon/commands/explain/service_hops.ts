import { failed, ok, skipped, warning } from "../../../checks/check.ts";
import type { EndpointSlice, Pod, Service } from "../../../kube/objects/objects.ts";
import type { Finding } from "../../../wire/finding.ts";
import { haveOnePort, type InterceptTarget } from "../../intercepts/target.ts";
import { podsOf, readiness, runningPodsOf, servedPorts, type Topology } from "../../discovery/topology.ts";

/** Pods that are named with the reason why they aren't ready, and endpoints that are named. */
const NAMED = 3;

/** Reasons of containers that have run and ended. */
const ENDED = /^(CrashLoopBackOff|Error|OOMKilled|Completed)$/;

/** A port as it was asked for. */
export interface AskedPort {
  readonly port?: number;
  readonly protocol: "tcp" | "udp";
}

/** The slices of a Service; undefined where they may not be listed. */
export function slicesOf(topology: Topology, { namespace, name }: Service): EndpointSlice[] | undefined {
  return topology.slices &&
    [...topology.slices.values()].filter((one) => one.namespace === namespace && one.service === name);
}

/** A protocol as Kubernetes objects have it. */
export const written = { tcp: "TCP", udp: "UDP" } as const;

/**
 * The port that is dialled: the one asked for, else the Service's first one of the protocol, or that of its pods where it is headless.
 */
export function portToDial(
  service: Service,
  slices: readonly EndpointSlice[] | undefined,
  { port, protocol }: AskedPort,
): number | undefined {
  if (port !== undefined) return port;
  const first = service.headless ? podPorts(slices ?? [], protocol)[0] : undefined;
  return first ?? service.ports.find((one) => one.protocol === written[protocol])?.port;
}

/** Ports of a headless Service's pods. */
function podPorts(slices: readonly EndpointSlice[], of: AskedPort["protocol"]): number[] {
  return [
    ...new Set(
      slices.flatMap(({ ports }) => ports).flatMap(({ port, protocol }) =>
        port === undefined || protocol !== written[of] ? [] : [port]
      ),
    ),
  ];
}

/** Whether the Service has the port. */
export function portHop(
  service: Service,
  slices: readonly EndpointSlice[] | undefined,
  { port, protocol }: AskedPort,
): Finding {
  const { headless, ports } = service;
  const all =
    ports.map(({ port, name, protocol }) =>
      `${port}${name ? ` (${name})` : ""}${protocol === "TCP" ? "" : `/${protocol.toLowerCase()}`}`
    ).join(", ") || "none";
  const remedy = `its ports: ${all}`;
  const kind = written[protocol];
  if (headless) return headlessPort(service, podPorts(slices ?? [], protocol), port);
  const dialled = portToDial(service, slices, { ...port === undefined ? {} : { port }, protocol });
  if (dialled === undefined) return failed(`the Service has no ${kind} port`, remedy);
  const found = ports.find((one) => one.port === dialled && one.protocol === kind);
  if (found) {
    const what = protocol === "tcp" ? "port" : "UDP port";
    return ok(`the Service has the ${what} ${dialled}${found.name ? ` (${found.name})` : ""}`);
  }
  const other = ports.find((one) => one.port === dialled);
  if (other) {
    const way = other.protocol === "SCTP"
      ? remedy
      : `name the protocol: ${dialled}/${other.protocol.toLowerCase()}`;
    return failed(`port ${dialled} of the Service is ${other.protocol}, not ${kind}`, way);
  }
  const inPods = ports.find(({ targetPort }) => targetPort === dialled);
  const why = inPods ? `: that is the port of its pods; the Service's is ${inPods.port}` : "";
  return failed(`the Service has no ${kind} port ${dialled}${why}`, remedy);
}

function headlessPort({ ports }: Service, inPods: readonly number[], port: number | undefined): Finding {
  if (inPods.length === 0) {
    return port === undefined && ports.length === 0
      ? failed("the Service names no port", "name one: pmz explain HOST:PORT")
      : skipped("a headless Service: the port is its pods' own");
  }
  const all = inPods.join(", ");
  if (port === undefined || inPods.includes(port)) {
    return ok(`a headless Service leads to its pods, which serve ${all}`);
  }
  const isServices = ports.some((one) => one.port === port);
  const what = isServices
    ? `its pods are dialled themselves, and ${port} is the Service's port`
    : "its pods are dialled themselves";
  return warning(`a headless Service: ${what}; they serve ${all}`, `dial ${all}`);
}

/** Whether an endpoint serves the port. */
export function endpointsHop(
  topology: Topology,
  service: Service,
  slices: readonly EndpointSlice[] | undefined,
  { port, protocol }: AskedPort,
): Finding {
  const { namespace, name, selector, headless } = service;
  if (!slices || !topology.slices) return skipped("EndpointSlices may not be listed with these credentials");
  const { endpoints: ready } = readiness(topology.slices)(`${namespace}/${name}`);
  const all =
    new Set(slices.flatMap(({ endpoints }) => endpoints).map(({ addresses: [address] }) => address)).size;
  const counts = `${ready} ready, ${all - ready} not`;
  const served = servedPorts(service, slices);
  const isServed = headless || port === undefined
    ? ready > 0 || (headless && service.publishNotReadyAddresses && all > 0)
    : served.some((one) => one.protocol === protocol && one.port === port && one.served);
  if (isServed) return ok(counts);
  if (ready > 0) {
    return failed(
      `${counts}, and none serves the port ${port}`,
      `its targetPort has to be a port of the pods' containers: kubectl -n ${namespace} get service ${name} -o yaml`,
    );
  }
  const remedy = `kubectl -n ${namespace} get pods${selector ? ` -l ${labels(selector)}` : ""}`;
  const pods = podsOf(topology, service);
  const ending = runningPodsOf(topology, service).filter(({ deletionTimestamp }) => deletionTimestamp);
  if (!selector && all === 0) {
    return failed(
      "no endpoint: the Service has no selector, and nothing has made an EndpointSlice for it",
      `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name}`,
    );
  }
  if (pods.length === 0 && ending.length > 0) {
    const named = ending.slice(0, NAMED).map(({ name }) => name).join(", ");
    return failed(`no ready endpoint (${counts}): its pods are being deleted: ${named}`, remedy);
  }
  if (selector && pods.length === 0) {
    return failed(`no ready endpoint: no pod has the labels ${labels(selector)}`, remedy);
  }
  const unready = pods.filter((pod) => !pod.ready);
  const why = unready.slice(0, NAMED).map(({ name, unready = "not ready" }) => `${name}: ${unready}`);
  const [first] = unready;
  return failed(
    `no ready endpoint (${counts})${why.length > 0 ? `: ${why.join("; ")}` : ""}`,
    first ? lookAt(first) : remedy,
  );
}

/** Why a container ended is in its log; anything else is in the pod's events. */
function lookAt({ namespace, name, unready = "" }: Pod): string {
  return ENDED.test(unready)
    ? `kubectl -n ${namespace} logs --previous ${name} --all-containers`
    : `kubectl -n ${namespace} describe pod ${name}`;
}

/** What to do where nothing answers, and no policy is known that keeps the answer away. */
export function silentRemedy(
  { namespace, name }: Service,
  slices: readonly EndpointSlice[] | undefined,
): string {
  const look = `kubectl -n ${namespace} get endpointslices -l kubernetes.io/service-name=${name}`;
  const all = [
    ...new Set(
      slices?.flatMap(({ endpoints }) => endpoints).flatMap(({ addresses }) => addresses.slice(0, 1)),
    ),
  ];
  if (all.length === 0) return `does a machine answer at each of its endpoints? ${look}`;
  const more = all.length > NAMED ? ` and ${all.length - NAMED} more` : "";
  return `does a machine answer at its endpoints ${all.slice(0, NAMED).join(", ")}${more}? ${look}`;
}

function labels(selector: Readonly<Record<string, string>>): string {
  return Object.entries(selector).map(([key, value]) => `${key}=${value}`).join(",");
}

/** Whether a port of another Service leads to the same port of the same pods. */
export function sharesPods(
  topology: Topology,
  service: Service,
  port: number,
  other: { readonly namespace: string; readonly service: string; readonly port: number },
): boolean {
  const target = targetOf(service, port);
  const another = targetOf(topology.services.get(`${other.namespace}/${other.service}`), other.port);
  return target !== undefined && another !== undefined && other.namespace === service.namespace &&
    haveOnePort(topology, target, another);
}

function targetOf(service: Service | undefined, port: number): InterceptTarget | undefined {
  const found = service?.ports.find((one) => one.port === port && one.protocol === "TCP");
  return service && found && { service, port: found };
}
