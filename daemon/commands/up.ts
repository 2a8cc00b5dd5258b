import type { Mode, UpRequest, UpResult, Warning } from "../../wire/control.ts";
import { ensureInstalled } from "./agents.ts";
import { warnings } from "./warnings.ts";
import type { Laptop } from "../laptop/laptop.ts";
import { isNamespaceMissing } from "../discovery/missing_namespace.ts";
import { answering } from "./answering.ts";
import { prove, type Tried } from "./proof.ts";
import { type Reachable, reachableIn } from "./reachable.ts";
import { unreachableWarnings } from "../../wire/unreachable.ts";
import { worthTrying } from "./worth_trying.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import type { Cluster } from "../clusters/cluster.ts";
import { USUAL_PROXY_PORT } from "../../wire/proxy_port.ts";
import type { Reporter } from "../../wire/progress.ts";
import type { DaemonParts } from "../parts.ts";
import { describe } from "../control_error.ts";

/** More of a cluster is used with each of these. */
const order: readonly Mode[] = ["intercept", "proxy", "capture"];
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
    async (detail) => {
      const opened = await clusters.open(request, detail, signal);
      if (!opened.isNew) await opened.connected.refresh(detail, signal);
      return opened;
    },
    ({ connected }) => {
      const { size } = connected.connection.topology.services;
      return `${size} Service${size === 1 ? "" : "s"}`;
    },
  );
  const { connection } = connected;
  const { mode } = connection;
  const before = clusters.laptop.before(connected);
  const accepted = clusters.accepted.of(connected.id);
  try {
    await clusters.accepted.change(connected.id, request);
    const warned: Warning[] = [];
    const result = await use(
      connected,
      request,
      clusters,
      parts,
      interruptible(telling(collecting(report, warned), connected), signal),
      signal,
    );
    signal.throwIfAborted();
    return { ...result, warnings: warned };
  } catch (error) {
    connection.mode = mode;
    try {
      await clusters.accepted.restore(connected.id, accepted);
      if (isNew) await clusters.remove(connected.id, report);
      else await clusters.laptop.release(connected, before);
    } catch (failure) {
      parts.log("warn", "what was begun can't be undone", { cluster: connected.id, error: failure });
    }
    throw error;
  } finally {
    connected.comingUp = undefined;
  }
}

/** Passes everything on, and has the cluster know what it waits for: another command may ask meanwhile. */
function telling(report: Reporter, connected: Cluster): Reporter {
  return {
    warn: (message, hint) => report.warn(message, hint),
    step(name, work, done) {
      connected.comingUp = name;
      return report.step(name, (detail) =>
        work((text) => {
          connected.comingUp = `${name}: ${text}`;
          detail(text);
        }), done);
    },
  };
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
  const { namespace, context } = connection.name;
  if (await isNamespaceMissing(connection, namespace)) {
    report.warn(
      `there is no namespace ${namespace} in ${context}: names without a namespace, such as echo, lead nowhere`,
      `choose another one: pmz down --context ${context}, then pmz up --context ${context} -n NAMESPACE`,
    );
  }
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
  let areNamed = true;
  if (request.mode === "capture") {
    await report.step(
      "Capture addresses",
      () => clusters.laptop.capture(),
      ({ routes }) => `${routes} addresses`,
    );
    areNamed = await answerNames(clusters.laptop, report, signal);
  }
  for (const { message, hint } of unreachableWarnings(clusters.laptop.unreachable(connected, request.mode))) {
    report.warn(message, hint);
  }
  await clusters.laptop.publishCustom();
  const reachable = reachableIn(connected.connection, clusters.laptop.namesOf(connected, request.mode));
  const candidates = candidatesOf(reachable, connected);
  const tried = candidates.length === 0 ? NOT_TRIED : await report.step<Tried>(
    "Try a connection",
    () => prove(candidates, request.mode, connected, clusters, signal),
    ({ proof }) => proof ? `${proof.service}:${proof.port} answers in ${proof.ms} ms` : "nothing answers",
  );
  const others = request.mode === "capture" ? await machineWarnings(clusters, tried.isBlocked) : [];
  for (const { message, hint } of [...tried.warnings, ...others]) report.warn(message, hint);
  const services = connection.topology.services.size;
  const also = request.mode === "capture"
    ? clusters.laptop.hostCapture?.also.map(({ name }) => name) ?? []
    : [];
  return {
    cluster: connection.name,
    mode: request.mode,
    ...(also.length > 0 ? { also } : {}),
    ...(proxy ? { proxy } : {}),
    services,
    answering: areNamed ? answering(connected, clusters.laptop, request.mode) : 0,
    candidates: candidates.length,
    ...(tried.proof ? { proof: tried.proof } : {}),
    try: worthTrying(reachable.filter((one) => !tried.silent.includes(one))),
  };
}

const NOT_TRIED: Tried = { silent: [], warnings: [], isBlocked: false };

/** What keeps captured clusters from working on this machine. @param isBlocked whether to look for a firewall's rule */
async function machineWarnings(clusters: ClusterRegistry, isBlocked: boolean): Promise<Warning[]> {
  const { hostCapture } = clusters.laptop;
  if (!hostCapture) return await warnings(clusters.all, { state: "none" });
  const blocked = isBlocked ? await hostCapture.blockedNow() : [];
  return await warnings(clusters.all, { ...hostCapture.state, blocked });
}

/** Has names answered; whether they are. Without names what is captured still answers by its address. */
async function answerNames(laptop: Laptop, report: Reporter, signal: AbortSignal): Promise<boolean> {
  try {
    await report.step("Answer names", () => laptop.captureNames());
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (!laptop.hostCapture) throw error; // the helper is gone, and all captured addresses with it
    const { message, hint } = describe(error);
    report.warn(`no name is answered, only addresses: ${message}`, hint);
    return false;
  }
}

/** What can show that it works: Services of the connection's own namespace that pods answer, not this laptop. */
function candidatesOf(reachable: readonly Reachable[], connected: Cluster): Reachable[] {
  const intercepted = new Set(
    connected.intercepts.entries().flatMap(({ entry: { namespace, service, alsoTaken } }) => [
      `${service}.${namespace}`,
      ...alsoTaken.map((taken) => `${taken.split(":")[0]}.${namespace}`),
    ]),
  );
  const own = reachable.filter(({ service: { name, namespace } }) =>
    namespace === connected.connection.name.namespace && name !== "kubernetes" &&
    !intercepted.has(`${name}.${namespace}`)
  );
  // Another Service tells more than another port of one that doesn't answer.
  const firsts = own.filter(({ service }, i) => own.findIndex((one) => one.service === service) === i);
  return [...new Set([...firsts, ...own])];
}

function warnOfPort(proxy: string, report: Reporter): void {
  if (proxy.endsWith(`:${USUAL_PROXY_PORT}`)) return;
  report.warn(
    `the proxy is on ${proxy}: another program has port ${USUAL_PROXY_PORT} of 127.0.0.1`,
    "to choose a port: pmz down, then pmz up --proxy=PORT",
  );
}

function tunnelDetail(connected: Cluster): string | undefined {
  const { tunnel } = connected.connection;
  return tunnel.state === "connected" ? tunnel.pod : undefined;
}
