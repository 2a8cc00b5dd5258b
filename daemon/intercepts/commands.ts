import type { InterceptEntry, InterceptRequest } from "../../wire/control.ts";
import { INTERCEPT_LABEL } from "../../wire/places.ts";
import { resources } from "../../kube/resources.ts";
import { need } from "../agents.ts";
import type { Clusters } from "../clusters.ts";
import type { Connected } from "../connected.ts";
import type { Reporter } from "../control/progress.ts";
import type { DaemonParts } from "../parts.ts";
import { Failure } from "../failure.ts";
import type { Wanted } from "./namespace_intercepts.ts";
import { findTarget } from "./target.ts";

/** A rule has this long to be in force in all pods, in milliseconds. */
const FORCE_TIMEOUT_MS = 30_000;

/** Takes a Service's port over, and waits until it's in force. Interrupted, or never in force anywhere, it's undone. */
export async function intercept(
  request: InterceptRequest,
  clusters: Clusters,
  parts: DaemonParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<InterceptEntry> {
  const { connected, isNew } = await report.step(
    "Cluster",
    () => clusters.open(request),
    ({ connected }) => connected.id,
  );
  const namespace = request.namespace ?? connected.connection.name.namespace;
  let wanted: Wanted | undefined;
  try {
    const topology = connected.connection.topology;
    const target = findTarget(topology, namespace, request.service, request.port);
    await refuseDenied(connected, namespace);
    await need(connected.connection.api, "node", request, parts, report, signal);
    const before = connected.intercepts.entries([]).find(({ wanted }) =>
      wanted.target.service.uid === target.service.uid && wanted.target.port.port === target.port.port
    );
    wanted = await report.step(
      "Rule",
      () => connected.intercepts.add(target, request.local),
      () => `${target.service.name}:${target.port.port}`,
    );
    try {
      const entry = await report.step(
        "In force",
        (detail) => inForce(connected, wanted as Wanted, detail, signal),
        ({ pods }) => `${pods.ready} of ${pods.all} pods`,
      );
      for (const problem of entry.problems) report.warn(problem);
      await probeLocal(request.local, report);
      return entry;
    } catch (error) {
      if (!before) await connected.intercepts.remove(wanted);
      throw error;
    }
  } catch (error) {
    if (isNew) await clusters.remove(connected.id, report);
    throw error;
  }
}

/** Gives a Service's port back to its pods. `id` is that of an entry; its port may be left out. */
export async function leave(id: string, clusters: Clusters, report: Reporter): Promise<InterceptEntry> {
  for (const connected of clusters.all) {
    for (const { entry, wanted } of connected.intercepts.entries([])) {
      if (entry.id !== id && entry.id.replace(/:\d+$/, "") !== id) continue;
      await report.step(`Leave ${entry.id}`, () => connected.intercepts.remove(wanted));
      if (connected.connection.mode === "intercept" && !connected.intercepts.any) {
        await clusters.remove(connected.id, report);
      }
      return entry;
    }
  }
  throw new Failure("not-found", `${id} is not intercepted from here`, {
    hint: "pmz intercept list shows what is",
  });
}

/** A namespace may be labelled so that nobody intercepts there. Where it may not be read, attach refuses. */
async function refuseDenied(connected: Connected, namespace: string): Promise<void> {
  const { metadata } = await connected.connection.api.get(resources.namespaces, { name: namespace }).catch(
    () => ({ metadata: {} as Record<string, unknown> }),
  );
  const labels = metadata.labels;
  if (typeof labels !== "object" || labels === null) return;
  if ((labels as Record<string, unknown>)[INTERCEPT_LABEL] === "denied") {
    throw new Failure(
      "forbidden",
      `the namespace ${namespace} allows no intercepts (label ${INTERCEPT_LABEL}=denied)`,
    );
  }
}

async function inForce(
  connected: Connected,
  wanted: Wanted,
  detail: (text: string) => void,
  signal: AbortSignal,
): Promise<InterceptEntry> {
  const end = performance.now() + FORCE_TIMEOUT_MS;
  for (;;) {
    signal.throwIfAborted();
    const entry = connected.intercepts.entries([]).find((one) => one.wanted === wanted)?.entry;
    if (!entry) throw new Failure("conflict", "the intercept was removed meanwhile");
    const { ready, all } = entry.pods;
    if (all > 0 && ready === all) return entry;
    if (performance.now() > end) {
      if (ready > 0) return entry;
      const why = entry.problems[0] ??
        (all === 0 ? "the Service has no pods" : "the node agent doesn't report on its pods");
      throw new Failure("timeout", `the intercept is in force in none of ${all} pods: ${why}`, {
        hint: "pmz agent status shows how the node agent is",
      });
    }
    detail(`${ready} of ${all} pods`);
    await connected.intercepts.change(250);
  }
}

/** Says so when nothing listens on the laptop yet: not an error, but callers get resets until something does. */
async function probeLocal({ host, port }: { host: string; port: number }, report: Reporter): Promise<void> {
  try {
    using _conn = await Deno.connect({ hostname: host, port, signal: AbortSignal.timeout(1_000) });
  } catch {
    report.warn(
      `nothing listens at ${host}:${port} yet`,
      "callers of the Service get resets until something does",
    );
  }
}
