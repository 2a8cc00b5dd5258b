import type { Api } from "../client/api.ts";
import { sleep } from "../../async/sleep.ts";
import { child, entryText, field, type Json, list, record } from "../objects/parse.ts";
import { pathOf, resources } from "../client/resources.ts";
import { formatLogLine } from "./log_line.ts";
import { unreadyNodes } from "./unready_nodes.ts";
import { podTroubles, type Trouble, trouble } from "./pod_troubles.ts";

export interface Workload {
  kind: "Deployment" | "DaemonSet";
  namespace: string;
  name: string;
}

export interface RolloutProgress {
  readonly ready: number;
  readonly wanted: number;
  /** Why it isn't ready, as far as the cluster tells, in sentences. */
  readonly troubles: readonly string[];
}

export interface RolloutOptions {
  signal?: AbortSignal;
  /** Milliseconds; 120,000 without it. */
  timeoutMs?: number;
  /** Milliseconds until a lasting trouble (an image that can't be pulled, a refusal, a crash) ends the wait. 20,000 without it. */
  patienceMs?: number;
  pollMs?: number;
  onProgress?: (progress: RolloutProgress) => void;
}

/** A workload that didn't become ready. */
export class RolloutError extends Error {
  override name = "RolloutError";
  readonly troubles: readonly string[];
  constructor(message: string, troubles: readonly string[]) {
    super(message);
    this.troubles = troubles;
  }
}

/**
 * Waits until all pods of a Deployment or DaemonSet are of its newest template and available. Of a DaemonSet those on nodes that
 * aren't ready aren't waited for; nor, once others are available and for `patienceMs` no more became so or were updated, the rest:
 * of many nodes one is always down.
 *
 * @returns what wasn't waited for, in sentences
 * @throws {RolloutError} with the reasons, when the time is up or a trouble lasts
 * @throws {ApiError} when the workload can't be read
 */
export async function rollout(
  api: Api,
  workload: Workload,
  options: RolloutOptions = {},
): Promise<readonly string[]> {
  const { signal, timeoutMs = 120_000, patienceMs = 20_000, pollMs = 500 } = options;
  const until = performance.now() + timeoutMs;
  let lastingSince: number | undefined;
  let most = { ready: 0, updated: 0, since: performance.now() };
  let unready: ReadonlySet<string> = new Set(), looks = 0;
  for (;;) {
    const state = await look(api, workload, signal);
    const { pods, troubles } = state.done
      ? { pods: [], troubles: [] }
      : await findTroubles(api, workload, state, signal);
    const said = [...new Set(troubles.map((each) => each.text))];
    options.onProgress?.({ ready: state.ready, wanted: state.wanted, troubles: said });
    if (state.done) return [];
    const now = performance.now();
    if (state.ready > most.ready || state.updated > most.updated) {
      const ready = Math.max(state.ready, most.ready), updated = Math.max(state.updated, most.updated);
      most = { ready, updated, since: now };
    }
    if (workload.kind === "DaemonSet" && state.seen && state.ready > 0) {
      const awaited = awaitedNodes(pods);
      if (awaited.length > 0 && looks++ % LOOKS_A_LIST === 0) unready = await unreadyNodes(api, signal);
      const down = awaited.filter((node) => unready.has(node));
      const left = state.wanted - down.length;
      if (state.updated >= left && state.ready >= left) {
        return down.map((node) => `node ${node} isn't ready`);
      }
      if (state.updated >= state.wanted && now - most.since >= patienceMs) return said;
    }
    if (!troubles.some((each) => each.lasting)) lastingSince = undefined;
    else lastingSince ??= now;
    if (now >= until || (lastingSince !== undefined && now - lastingSince >= patienceMs)) {
      const why = said.join("; ") || "the cluster gives no reason";
      throw new RolloutError(
        `${workload.kind} ${workload.namespace}/${workload.name} isn't ready ` +
          `(${state.ready} of ${state.wanted} pods): ${why}.`,
        said,
      );
    }
    await sleep(Math.min(pollMs, until - now), signal);
    signal?.throwIfAborted();
  }
}

/** Looks of which one lists all nodes: a large cluster has thousands. */
const LOOKS_A_LIST = 10;
/** Pods whose events are asked for at one look: those of a DaemonSet wait for the same image. */
const MOST_EVENTS = 3;

interface State {
  readonly done: boolean;
  /** Whether the status is about the newest specification. */
  readonly seen: boolean;
  readonly ready: number;
  /** Pods of the newest template. */
  readonly updated: number;
  readonly wanted: number;
  readonly object: Json;
}

async function look(api: Api, { kind, namespace, name }: Workload, signal?: AbortSignal): Promise<State> {
  const resource = kind === "Deployment" ? resources.deployments : resources.daemonSets;
  const object: Json = await api.get(resource, { namespace, name }, signal ? { signal } : {});
  const spec = child(object, "spec", ""), status = child(object, "status", "");
  const count = (name: string) => numberOf(status, name);
  const seen = count("observedGeneration") >= numberOf(child(object, "metadata", ""), "generation");
  if (kind === "DaemonSet") {
    const wanted = count("desiredNumberScheduled"), ready = count("numberAvailable");
    const updated = count("updatedNumberScheduled");
    return { done: seen && updated >= wanted && ready >= wanted, seen, ready, updated, wanted, object };
  }
  const wanted = field(spec, "replicas") === undefined ? 1 : numberOf(spec, "replicas");
  const ready = count("availableReplicas"), updated = count("updatedReplicas");
  const done = seen && updated >= wanted && ready >= wanted && count("replicas") <= updated;
  return { done, seen, ready, updated, wanted, object };
}

/** The nodes on which pods aren't ready. */
function awaitedNodes(pods: readonly Json[]): string[] {
  return [...new Set(pods.filter((pod) => !isReady(pod)).flatMap(nodeOf))].toSorted();
}

function isReady(pod: Json): boolean {
  const conditions = list(child(pod, "status", "pod"), "conditions", "pod.status", 100, record);
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

/** The node that a DaemonSet's pod is for: one that isn't scheduled yet names it as the only one that it may be on. */
function nodeOf(pod: Json): string[] {
  const spec = child(pod, "spec", "pod");
  const name = field(spec, "nodeName");
  if (typeof name === "string" && name !== "") return [name];
  const affinity = child(child(spec, "affinity", "spec"), "nodeAffinity", "affinity");
  const required = child(affinity, "requiredDuringSchedulingIgnoredDuringExecution", "affinity");
  const fields = list(required, "nodeSelectorTerms", "affinity", 100, record)
    .flatMap((term) => list(term, "matchFields", "affinity", 100, record));
  return fields.filter(({ key }) => key === "metadata.name")
    .flatMap((each) => list(each, "values", "affinity", 100, entryText()));
}

async function findTroubles(
  api: Api,
  workload: Workload,
  { object }: State,
  signal?: AbortSignal,
): Promise<{ pods: Json[]; troubles: Trouble[] }> {
  const { namespace } = workload;
  const call = signal ? { signal } : {};
  const labels = child(child(child(object, "spec", ""), "selector", ""), "matchLabels", "");
  const labelSelector = Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(",");
  const found: Trouble[] = [];
  let pods: Json[] = [];
  let events = MOST_EVENTS;
  try {
    const { items } = await api.list(resources.pods, { namespace, labelSelector }, call);
    pods = items.map((item) => record(item, "pod"));
    for (const pod of pods.slice(0, 200)) {
      if (field(child(pod, "metadata", "pod"), "deletionTimestamp") !== undefined) continue;
      found.push(
        ...await podTroubles(pod, {
          lastLine: (pod, container, previous) => lastLine(api, namespace, pod, container, previous, signal),
          lastEvent: (pod) => events-- > 0 ? lastEvent(api, namespace, pod, signal) : Promise.resolve(""),
        }),
      );
    }
    if (found.length === 0) found.push(...await refusals(api, workload, object, signal));
  } catch (error) {
    if (signal?.aborted) throw error;
    found.push(trouble(`its pods can't be listed: ${error instanceof Error ? error.message : error}`));
  }
  return { pods, troubles: found };
}

/** Pods that the API server refuses (Pod Security, quota, webhooks) appear only in a condition or in events. */
async function refusals(
  api: Api,
  workload: Workload,
  object: Json,
  signal?: AbortSignal,
): Promise<Trouble[]> {
  if (workload.kind === "Deployment") {
    const conditions = field(child(object, "status", ""), "conditions");
    for (const each of Array.isArray(conditions) ? conditions : []) {
      const { type, status, message } = record(each, "condition");
      if (type === "ReplicaFailure" && status === "True") {
        return [trouble(`pods are refused: ${message}`, true)];
      }
    }
    return [];
  }
  const { namespace, name } = workload;
  const uid = String(field(child(object, "metadata", ""), "uid"));
  const { items } = await api.list(resources.events, {
    namespace,
    fieldSelector:
      `involvedObject.kind=DaemonSet,involvedObject.name=${name},involvedObject.uid=${uid},reason=FailedCreate`,
  }, signal ? { signal } : {});
  const last = items.at(-1);
  return last === undefined ? [] : [trouble(`pods are refused: ${record(last, "event").message}`, true)];
}

/** The last line that a container wrote; empty when it can't be read. */
async function lastLine(
  api: Api,
  namespace: string,
  name: string,
  container: string,
  previous: boolean,
  signal?: AbortSignal,
): Promise<string> {
  try {
    const text = await api.text("GET", pathOf(resources.pods, { namespace, name, subresource: "log" }), {
      query: { container, tailLines: "5", limitBytes: "16384", previous: String(previous) },
      ...(signal ? { signal } : {}),
    });
    return formatLogLine(text.trimEnd().split("\n").at(-1)?.trim() ?? "");
  } catch {
    return "";
  }
}

/** The message of a pod's last event; empty when there is none, or events may not be listed. */
async function lastEvent(api: Api, namespace: string, pod: string, signal?: AbortSignal): Promise<string> {
  try {
    const fieldSelector = `involvedObject.kind=Pod,involvedObject.name=${pod}`;
    const { items } = await api.list(
      resources.events,
      { namespace, fieldSelector },
      signal ? { signal } : {},
    );
    const events = items.map((item) => record(item, "event"));
    const [last] = events.toSorted((a, b) => timeOf(b).localeCompare(timeOf(a)));
    return last ? String(last.message ?? "") : "";
  } catch {
    return "";
  }
}

/** When an event was seen last, in RFC 3339: newer reporters give `eventTime` alone. */
function timeOf(event: Json): string {
  const [time] = [
    event.lastTimestamp,
    event.eventTime,
    field(child(event, "metadata", ""), "creationTimestamp"),
  ]
    .filter((time) => typeof time === "string");
  return time ?? "";
}

function numberOf(from: Json, name: string): number {
  const value = field(from, name);
  return typeof value === "number" ? value : 0;
}
