import { unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import type { Mode, UpRequest, UpResult, Warning } from "../../wire/control.ts";
import { formatEndpoint } from "../../net/address.ts";
import { ensureInstalled } from "./agents.ts";
import { warnings } from "./warnings.ts";
import { readiness } from "../discovery/topology.ts";
import type { Laptop, UnreachableAddress } from "../laptop/laptop.ts";
import { worthTrying } from "./worth_trying.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { Probe } from "../../dataplane/plane.ts";
import { USUAL_PROXY_PORT } from "../../wire/proxy_port.ts";
import { formatOutcome } from "../../wire/flow.ts";
import type { Reporter } from "../../wire/progress.ts";
import type { DaemonParts } from "../parts.ts";
import type { Service, ServicePort } from "../../kube/objects/objects.ts";
import { Failure } from "../failure.ts";

/** More of a cluster is used with each of these. */
const order: readonly Mode[] = ["intercept", "proxy", "capture"];
/** To show that it works: one Service after the other is dialled, each for so long, in milliseconds. */
const PROOF_TIMEOUT_MS = 5_000;
const PROOFS = 3;

/** A Service's port that something serves. */
interface Reachable {
  readonly service: Service;
  readonly port: ServicePort;
  readonly address: string;
}

/**
 * Connects a cluster, or uses more of one that is connected. What an `up` that fails, or is interrupted, has begun is
 * undone.
 */
export async function up(
  request: UpRequest,
  clusters: ClusterRegistry,
  parts: DaemonParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<UpResult> {
  const { connected, isNew } = await report.step(
    "Connect to the cluster",
    (detail) => clusters.open(request, detail, signal),
    ({ connected }) => {
      const { size } = connected.connection.topology.services;
      return `${size} Service${size === 1 ? "" : "s"}`;
    },
  );
  const { connection } = connected;
  const { mode } = connection;
  const before = clusters.laptop.before(connected);
  try {
    const warned: Warning[] = [];
    const result = await use(
      connected,
      request,
      clusters,
      parts,
      interruptible(collecting(report, warned), signal),
      signal,
    );
    return { ...result, warnings: warned };
  } catch (error) {
    connection.mode = mode;
    try {
      if (isNew) await clusters.remove(connected.id, report);
      else await clusters.laptop.release(connected, before);
    } catch (failure) {
      parts.log("warn", "what was begun can't be undone", { cluster: connected.id, error: failure });
    }
    throw error;
  }
}

/** Passes everything on, and keeps the warnings: scripts want them with the result. */
function collecting(report: Reporter, warned: Warning[]): Reporter {
  return {
    step: (name, work, done) => report.step(name, work, done),
    warn(message, hint) {
      report.warn(message, hint);
      warned.push(hint === undefined ? { message } : { message, hint });
    },
  };
}

/** Begins no step once the signal is aborted; what undoes must not report so. */
function interruptible(report: Reporter, signal: AbortSignal): Reporter {
  return {
    warn: (message, hint) => report.warn(message, hint),
    async step(name, work, done) {
      signal.throwIfAborted();
      const result = await report.step(name, work, done);
      signal.throwIfAborted();
      return result;
    },
  };
}

async function use(
  connected: Cluster,
  request: UpRequest,
  clusters: ClusterRegistry,
  parts: DaemonParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<Omit<UpResult, "warnings">> {
  const { connection } = connected;
  for (const limit of connection.limits) report.warn(limit);
  await ensureInstalled(connection.api, "gateway", request, parts, report, signal);
  await report.step(
    "Open the tunnel",
    (detail) => connected.reach(detail, signal),
    () => tunnelDetail(connected),
  );
  if (order.indexOf(request.mode) > order.indexOf(connection.mode)) connection.mode = request.mode;
  clusters.laptop.modeChanged(connected);
  const served = clusters.laptop.proxyAddress;
  const proxy = request.mode === "proxy"
    ? await report.step(
      "Start the proxy",
      () => clusters.laptop.proxy(request.proxyPort ?? 0),
      (address) => address,
    )
    : undefined;
  if (proxy !== undefined && proxy !== served && !request.proxyPort) warnOfPort(proxy, report);
  if (request.mode === "capture") {
    const { address, routes } = await report.step(
      "Capture addresses",
      () => clusters.laptop.capture(),
      ({ routes }) => `${routes} addresses`,
    );
    await report.step("Answer names", () => clusters.laptop.captureNames());
    const helper = { state: "connected", address, routes } as const;
    for (const { message, hint } of await warnings(clusters.all, helper)) report.warn(message, hint);
  }
  warnOfUnreachable(clusters.laptop.unreachable(connected), report);
  await clusters.laptop.publishCustom();
  const reachable = reachableOf(connected, clusters.laptop);
  const own = reachable.filter(({ service }) =>
    service.namespace === connection.name.namespace && service.name !== "kubernetes"
  );
  const proof = own.length > 0
    ? await report.step(
      "Try a connection",
      () => prove(own.slice(0, PROOFS), request.mode, connected, clusters, report, signal),
      (proof) => proof && `${proof.service}:${proof.port} answers in ${proof.ms} ms`,
    )
    : undefined;
  return {
    cluster: connection.name,
    mode: request.mode,
    ...(proxy ? { proxy } : {}),
    services: connection.topology.services.size,
    ...(proof ? { proof } : {}),
    try: worthTrying(reachable),
  };
}

function warnOfPort(proxy: string, report: Reporter): void {
  if (proxy.endsWith(`:${USUAL_PROXY_PORT}`)) return;
  report.warn(
    `the proxy is on ${proxy}: another program has port ${USUAL_PROXY_PORT} of 127.0.0.1`,
    "to choose a port: pmz down, then pmz up --proxy=PORT",
  );
}

/** Addresses that are named in a warning; more are counted. */
const NAMED = 5;

function warnOfUnreachable(unreachable: readonly UnreachableAddress[], report: Reporter): void {
  for (const { service, address, why } of unreachable.slice(0, NAMED)) {
    report.warn(`${service} is not reached at ${address}, and no name leads there: ${why}`);
  }
  if (unreachable.length > NAMED) {
    report.warn(
      `${unreachable.length - NAMED} more addresses of Services are not reached`,
      "pmz status -o json",
    );
  }
}

function tunnelDetail(connected: Cluster): string | undefined {
  const { tunnel } = connected.connection;
  return tunnel.state === "connected" ? tunnel.pod : undefined;
}

/** What something serves and this laptop reaches, the connection's own namespace first. */
function reachableOf(connected: Cluster, laptop: Laptop): Reachable[] {
  const { topology, name } = connected.connection;
  const ready = topology.slices && readiness(topology.slices);
  const addresses = new Map(
    laptop.namesOf(connected).map((names) => [`${names.namespace}/${names.name}`, names.addresses]),
  );
  const all = [...topology.services].flatMap(([key, service]) =>
    (service.headless ? [] : addresses.get(key) ?? []).slice(0, 1).flatMap((address) =>
      service.ports
        .filter((port) => port.protocol === "TCP" && (ready?.(key).ports.has(port.name) ?? true))
        .map((port) => ({ service, port, address }))
    )
  );
  const isOwn = ({ service }: Reachable) => Number(service.namespace === name.namespace);
  return all.sort((a, b) => isOwn(b) - isOwn(a));
}

/** The first Service that takes a connection. One that refuses is its own trouble: the way there works. */
async function prove(
  candidates: readonly Reachable[],
  mode: Mode,
  connected: Cluster,
  clusters: ClusterRegistry,
  report: Reporter,
  signal: AbortSignal,
): Promise<UpResult["proof"]> {
  for (const { service, port, address } of candidates) {
    const name = `${service.name}.${service.namespace}`;
    const started = performance.now();
    const { outcome } = await dial(mode, connected, clusters, { address, port: port.port }, signal);
    if (outcome.kind === "done") {
      return { service: name, port: port.port, ms: Math.round((performance.now() - started) * 10) / 10 };
    }
    report.warn(`${name}:${port.port} doesn't accept connections: ${formatOutcome(outcome)}`);
  }
  return undefined;
}

/** Dials as the mode's programs will: by the captured address, and through the tunnel. */
async function dial(
  mode: Mode,
  connected: Cluster,
  clusters: ClusterRegistry,
  { address, port }: { readonly address: string; readonly port: number },
  signal: AbortSignal,
): Promise<Probe> {
  const authority = formatEndpoint(address, port);
  using limit = new TimeLimit(PROOF_TIMEOUT_MS, signal);
  if (mode === "capture") {
    try {
      using _conn = await Deno.connect({ hostname: address, port, signal: limit.signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw new Failure("helper", `${authority} is captured, but can't be dialled on this machine`, {
        hint: "look at the rules of this machine: ip rule; sudo nft list ruleset",
        cause,
      });
    }
  }
  const destination = { protocol: "tcp", cluster: connected.id, address, port } as const;
  let probe: Probe | undefined;
  try {
    probe = await unlessAborted(clusters.data.probe(destination), limit.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.signal.aborted) throw error;
  }
  const kind = probe?.outcome.kind;
  if (probe && (kind === "done" || kind === "refused")) return probe;
  const why = probe ? formatOutcome(probe.outcome) : `no answer within ${PROOF_TIMEOUT_MS / 1000} s`;
  throw new Failure("agent", `${authority} can't be reached through the tunnel: ${why}`, {
    hint: "look at the gateway: pmz agent status",
  });
}
