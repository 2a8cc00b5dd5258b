import type { InterceptEntry, InterceptRequest } from "../../wire/control.ts";
import { isPersonal, neededRules } from "../../wire/intercept.ts";
import { INTERCEPT_LABEL } from "../../wire/places.ts";
import { formatEndpoint } from "../../net/address.ts";
import { resources } from "../../kube/client/resources.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { canonicalMatch, type Match, type Taken } from "../../wire/match.ts";
import { ensureInstalled, type Needs } from "./agents.ts";
import { missingCallers } from "./missing_callers.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import type { Cluster } from "../clusters/cluster.ts";
import type { Reporter } from "../../wire/progress.ts";
import type { DaemonParts } from "../parts.ts";
import { Failure } from "../failure.ts";
import { keyOf, type Wanted } from "../intercepts/namespace_intercepts.ts";
import { interceptsOf } from "./status.ts";
import { findServedTarget } from "./target_check.ts";
import type { Standing } from "../intercepts/cluster_intercepts.ts";
import { haveOnePort, type InterceptTarget, portWords, refuseUnseen, takenOf } from "../intercepts/target.ts";

/** A rule has this long to be in force in all pods, in milliseconds. */
const FORCE_TIMEOUT_MS = 30_000;
/** What node agents refuse, and pods of nodes without one next to others, aren't waited for any longer than this, in milliseconds. */
const REFUSED_TIMEOUT_MS = 2_000;
/** Where no node of the pods has a node agent, there may be one soon: it is replaced, or the node is new. Milliseconds. */
const UNSERVED_TIMEOUT_MS = 15_000;

/** The member of the header `baggage` by which `--personal` tells requests apart. */
const PERSONAL_BAGGAGE = "pmz";

/** Takes a Service's port over, and waits until it's in force. Interrupted, or never in force anywhere, it's undone. */
export async function intercept(
  request: InterceptRequest,
  clusters: ClusterRegistry,
  parts: DaemonParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<InterceptEntry> {
  const { connected, isNew } = await report.step(
    "Connect to the cluster",
    (detail) => clusters.open(request, detail, signal),
    ({ connected }) => connected.id,
  );
  const { connection, intercepts } = connected;
  const namespace = request.namespace ?? connection.name.namespace;
  const undo = new AsyncDisposableStack();
  try {
    if (isNew) undo.defer(async () => void await clusters.remove(connected.id, report));
    const found = findServedTarget(connection.topology, {
      namespace,
      service: request.service,
      port: request.port,
      localPort: request.local.port,
    });
    const match = matchOf(request, found, intercepts.entries().map(({ wanted }) => wanted));
    const taken: Taken = { ...(match && { match }), ...(request.mirror && { mirror: true }) };
    const target = { ...found, ...taken };
    refuseUnseen(target);
    await refuseDenied(connected, namespace, signal);
    if (!isPersonal(taken)) refuseOwnPort(connected, target);
    const rules = neededRules(takenOf(target));
    const needs: Needs = rules === undefined ? {} : { rules };
    await ensureInstalled(connection.api, "node", request, parts, report, signal, needs);
    const before = intercepts.entries().find(({ wanted }) =>
      wanted.target.service.namespace === namespace && keyOf(wanted.target) === keyOf(target)
    )?.wanted;
    if (before && request.hold !== undefined) {
      refuseMove(portWords(target), before.local, request.local);
    }
    const wanted = await report.step(
      "Create the rule",
      () => intercepts.add(target, request.local, signal),
      () => `${target.service.name}:${target.port.port}`,
    );
    if (request.domain !== undefined) wanted.domain = request.domain;
    if (request.ttl !== undefined) wanted.until = new Date(Date.now() + request.ttl * 1_000).toISOString();
    undo.defer(() => before ? restore(before, intercepts) : intercepts.remove(wanted));
    await report.step(
      "Intercept the pods",
      (detail) => inForce(connected, wanted, detail, signal),
      ({ ready, all }) => `${ready} of ${all} pods`,
    );
    await intercepts.lookAtPrograms();
    const entry = intercepts.entries().find((one) => one.wanted === wanted)?.entry;
    if (!entry) throw removedMeanwhile();
    const from = before && formatEndpoint(before.local.host, before.local.port);
    if (from !== undefined && from !== entry.local) report.warn(`${entry.id} was moved from ${from}`);
    if (entry.silentSince !== undefined && request.hold === undefined) {
      report.warn(
        `nothing listens at ${entry.local} yet`,
        `start your program; until then ${
          entry.mirror
            ? "its copies are dropped"
            : entry.protocol === "UDP"
            ? "what callers send is dropped"
            : "callers of the Service get resets"
        }`,
      );
    }
    for (const missing of await missingCallers(connection, match)) report.warn(missing);
    signal.throwIfAborted();
    undo.move(); // it stays
    return entry;
  } catch (error) {
    await undo.disposeAsync().catch((failure) =>
      parts.log("warn", "what was begun can't be undone", { cluster: connected.id, error: failure })
    );
    throw error;
  }
}

/**
 * Gives a Service's port back to its pods. `id` is that of an entry; its port may be left out, and its cluster.
 * @throws {Failure} `not-found`; `usage` when it means several.
 */
export async function leave(
  id: string,
  clusters: ClusterRegistry,
  report: Reporter,
): Promise<InterceptEntry> {
  const meant = interceptsOf(clusters).filter(
    ({ entry: { service, namespace, port, cluster, id: own } }) => {
      const name = `${service}.${namespace}`;
      const names = [name, `${name}:${port}`, own.split("@", 1)[0]];
      return names.includes(id) || names.some((one) => `${one}@${cluster}` === id);
    },
  );
  // The id of a whole Service's port is also what names its personal intercepts in short.
  const exact = meant.filter(({ entry }) => [entry.id, exactId(entry)].includes(id));
  const [found, ...more] = exact.length > 0 ? exact : meant;
  if (!found) {
    throw new Failure("not-found", `${id} is not intercepted by this machine`, {
      hint: "to see the intercepts: pmz intercept list",
    });
  }
  if (more.length > 0) {
    const all = [found, ...more].map(({ entry }) => entry.id).join(", ");
    throw new Failure("usage", `${id} means several intercepts: ${all}`, { hint: "name one of them" });
  }
  const { cluster, entry } = found;
  await report.step(`End ${entry.id}`, async () => await found.end());
  if (cluster.connection.mode === "intercept" && !cluster.intercepts.any) {
    await clusters.remove(cluster.id, report);
  }
  return entry;
}

/** What `leave` takes for this intercept alone, of whatever cluster. */
export function exactId({ id, cluster }: Pick<InterceptEntry, "id" | "cluster">): string {
  return `${id.split("@", 1)[0]}@${cluster}`;
}

/** What is to be taken; undefined: all. */
function matchOf(
  request: InterceptRequest,
  target: InterceptTarget,
  there: readonly Wanted[],
): Match | undefined {
  const { match = {}, domain, personal = false } = request;
  if (!personal) {
    return domain !== undefined
      ? { ...match, hosts: [...new Set([...match.hosts ?? [], domain])] }
      : request.match;
  }
  const hosts = domain === undefined ? match.hosts : [...new Set([...match.hosts ?? [], domain])];
  const made = (id: string): Match => ({
    ...match,
    ...(hosts && { hosts }),
    baggage: [...match.baggage ?? [], { name: PERSONAL_BAGGAGE, exact: id }],
  });
  // The same intercept once more keeps its member of baggage, which is in somebody's browser by now.
  const again = there.find(({ target: { service, port, match: its } }) =>
    service.uid === target.service.uid && port.port === target.port.port &&
    its?.baggage?.some((one) =>
      one.name === PERSONAL_BAGGAGE && "exact" in one &&
      canonicalMatch(its) === canonicalMatch(made(one.exact))
    )
  );
  return again?.target.match ?? made(crypto.getRandomValues(new Uint8Array(6)).toHex());
}

/** Refuses a namespace whose label denies intercepts. Where the namespace may not be read, attach refuses instead. */
async function refuseDenied(connected: Cluster, namespace: string, signal: AbortSignal): Promise<void> {
  const { api } = connected.connection;
  const { metadata } = await api.get(resources.namespaces, { name: namespace }, { signal }).catch((error) => {
    if (ApiError.is(error, "Forbidden")) return { metadata: {} as Record<string, unknown> };
    throw error;
  });
  const labels = metadata.labels;
  if (typeof labels !== "object" || labels === null) return;
  if ((labels as Record<string, unknown>)[INTERCEPT_LABEL] === "denied") {
    throw new Failure(
      "forbidden",
      `intercepts are not allowed in namespace ${namespace} (label ${INTERCEPT_LABEL}=denied)`,
      { hint: "ask who runs the namespace" },
    );
  }
}

/** Refuses a Service that leads to a port of the same pods as another one that this machine intercepts, the whole of it. */
function refuseOwnPort({ connection, intercepts }: Cluster, target: InterceptTarget): void {
  const { service, port } = target;
  const same = intercepts.entries().find(({ wanted: { target: other } }) =>
    !isPersonal(other) && other.service.namespace === service.namespace &&
    (other.service.uid !== service.uid || other.port.port !== port.port) &&
    haveOnePort(connection.topology, other, target)
  );
  if (!same) return;
  throw new Failure(
    "conflict",
    `${portWords(target)} leads to the same port of the same pods as ${same.entry.id}, ` +
      "which this machine intercepts",
    { hint: `its callers reach your program already; to have it instead: pmz leave ${same.entry.id} first` },
  );
}

/** Has an intercept go where it went before it was changed. */
async function restore(before: Wanted, intercepts: Cluster["intercepts"]): Promise<void> {
  const { target, local, domain, until } = before;
  const restored = await intercepts.add(target, local);
  if (domain !== undefined) restored.domain = domain;
  if (until !== undefined) restored.until = until;
}

/** A command that ends would leave the intercept where its own program was. @throws {Failure} */
export function refuseMove(port: string, from: Wanted["local"], to: Wanted["local"]): void {
  const there = formatEndpoint(from.host, from.port);
  if (there === formatEndpoint(to.host, to.port)) return;
  throw new Failure("conflict", `this machine intercepts ${port} already, and answers at ${there}`, {
    hint: "end that first; to see it: pmz intercept list",
  });
}

/** Waits until a rule is in force in all pods that run. Pods that don't run yet are taken when they do. */
async function inForce(
  { intercepts }: Cluster,
  wanted: Wanted,
  detail: (text: string) => void,
  signal: AbortSignal,
): Promise<Standing> {
  const begun = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const standing = intercepts.standing(wanted);
    if (!standing) throw removedMeanwhile();
    const { ready, started, refused, unserved, all, problems } = standing;
    if (ready > 0 && ready >= Math.max(started, standing.reported)) return standing;
    const waited = performance.now() - begun;
    if (waited > REFUSED_TIMEOUT_MS) {
      if (all > 0 && started === 0) return standing; // nothing to take yet
      const isSettled = all > 0 && ready + refused + unserved >= started &&
        refused + ready === standing.reported;
      if (isSettled && ready > 0) return standing;
      if (isSettled && (unserved === 0 || waited > UNSERVED_TIMEOUT_MS)) {
        throw new Failure("conflict", `none of ${all} pods can be intercepted: ${problems[0] ?? "refused"}`);
      }
    }
    if (waited > FORCE_TIMEOUT_MS) {
      if (ready > 0) return standing;
      const why = problems[0] ??
        (all === 0 ? "the Service has no pods" : "the node agent doesn't report on its pods");
      throw new Failure("timeout", `none of ${all} pods is intercepted: ${why}`, {
        hint: "look at the node agent: pmz agent status",
      });
    }
    detail(`${ready} of ${all} pods`);
    await intercepts.change(250);
  }
}

function removedMeanwhile(): Failure {
  return new Failure("conflict", "the intercept was removed while it was set up");
}
