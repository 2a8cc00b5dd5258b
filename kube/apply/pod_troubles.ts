import { child, field, type Json, list, record } from "../objects/parse.ts";

export interface Trouble {
  /** One line for people. */
  readonly text: string;
  /** It seldom goes away by itself. */
  readonly lasting: boolean;
}

/** @param text from the cluster: control characters and line breaks are removed, and 600 characters are kept */
export function trouble(text: string, lasting = false): Trouble {
  return {
    text: text.replace(/\s+/g, " ").replace(/\p{C}/gu, "").slice(0, 600).replace(/\.$/, "").trim(),
    lasting,
  };
}

const IMAGE = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
]);

/** What else the cluster can be asked about a pod; each is empty when it can't be had. */
export interface PodQuestions {
  /** The last line that a container wrote. */
  lastLine(pod: string, container: string, previous: boolean): Promise<string>;
  /** The message of the pod's last event. */
  lastEvent(pod: string): Promise<string>;
}

/**
 * Finds why a pod isn't ready: it can't be scheduled, its image can't be pulled, a container can't be created or crashes (with the last line
 * that it wrote), or it isn't ready yet (with its last event: the image is being pulled). Empty for a ready pod.
 *
 * @throws {ParseError} when `pod` isn't a pod
 */
export async function podTroubles(
  pod: Json,
  { lastLine, lastEvent }: PodQuestions,
): Promise<Trouble[]> {
  const name = String(field(child(pod, "metadata", "pod"), "name"));
  const status = child(pod, "status", "pod");
  const conditions = list(status, "conditions", "pod.status", 100, record);
  const condition = (type: string) => conditions.find((each) => each.type === type);
  if (condition("Ready")?.status === "True") return [];
  const scheduled = condition("PodScheduled");
  if (scheduled?.status === "False") {
    return [trouble(`pod ${name} can't be scheduled: ${scheduled.message ?? "no reason given"}`)];
  }
  if (field(status, "phase") === "Failed") {
    return [
      trouble(`pod ${name} failed: ${field(status, "reason") ?? ""} ${field(status, "message") ?? ""}`, true),
    ];
  }
  const containers = [
    ...list(status, "initContainerStatuses", "pod.status", 500, record),
    ...list(status, "containerStatuses", "pod.status", 500, record),
  ];
  const found: Trouble[] = [];
  for (const container of containers) {
    const each = await containerTrouble(name, container, lastLine);
    if (each) found.push(each);
  }
  if (found.length === 0) {
    const event = await lastEvent(name);
    const phase = field(status, "phase") ?? "unknown";
    found.push(trouble(`pod ${name} isn't ready yet (${phase})${event === "" ? "" : `: ${event}`}`));
  }
  return found;
}

async function containerTrouble(
  pod: string,
  status: Json,
  lastLine: (pod: string, container: string, previous: boolean) => Promise<string>,
): Promise<Trouble | undefined> {
  const name = String(field(status, "name"));
  const where = `container ${name} of pod ${pod}`;
  const state = child(status, "state", name);
  const waiting = child(state, "waiting", name);
  const reason = field(waiting, "reason");
  const message = field(waiting, "message") ?? "no reason given";
  if (typeof reason === "string" && IMAGE.has(reason)) {
    return trouble(
      `${where}: the image ${field(status, "image") ?? ""} can't be pulled (${reason}): ${message}`,
      true,
    );
  }
  const now = child(state, "terminated", name);
  const last = child(child(status, "lastState", name), "terminated", name);
  const [ended, previous] = field(now, "exitCode") !== undefined
    ? [now, false] as const
    : [last, true] as const;
  const code = field(ended, "exitCode");
  const running = field(state, "running") !== undefined && field(status, "ready") !== true;
  if (code !== undefined && code !== 0 || reason === "CrashLoopBackOff") {
    const line = await lastLine(pod, name, previous);
    const restarts = Number(field(status, "restartCount") ?? 0);
    const why = field(ended, "reason") === "OOMKilled" ? " (out of memory)" : "";
    const spoke = line ? `, last it wrote: ${line}` : "";
    // A container that restarted once and runs now may still become ready.
    return trouble(
      `${where} ended with code ${code ?? "?"}${why}, ${restarts} restarts${spoke}`,
      !running || restarts > 2,
    );
  }
  if (typeof reason === "string" && reason !== "ContainerCreating" && reason !== "PodInitializing") {
    return trouble(`${where} can't start (${reason}): ${message}`, true);
  }
  return undefined;
}
