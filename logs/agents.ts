import { unlessAborted } from "../async/abort.ts";
import { sleep } from "../async/sleep.ts";
import type { Api } from "../kube/client/api.ts";
import { pathOf, resources } from "../kube/client/resources.ts";
import { parsePod } from "../kube/objects/objects.ts";
import { GATEWAY_NAMESPACE, NODE_NAMESPACE, selectors } from "../wire/places.ts";
import type { LogSource, UnreadLog } from "../wire/log_line.ts";

/** Containers whose logs are read: a DaemonSet has one pod on each node. */
const MOST_CONTAINERS = 200;
/** Containers that are read at a time. */
const AT_A_TIME = 8;
/** Lines, and bytes, that are read of a container. */
const LINES = 5_000;
const BYTES = 2 << 20;
/** How often new pods are looked for, and a broken stream is tried again, in milliseconds. */
const AGAIN_MS = 3_000;
/** Characters of a line that has no end yet; beyond, its beginning is dropped. */
const LONGEST_LINE = 1 << 20;

/** A container of an agent's pod. */
export interface AgentContainer {
  readonly source: LogSource;
  readonly namespace: string;
  readonly pod: string;
}

/** A line as Kubernetes has it. */
export interface AgentLine {
  readonly of: AgentContainer;
  /** When Kubernetes got it, to the nanosecond. */
  readonly receivedAt: string;
  readonly text: string;
}

const places = [
  { namespace: GATEWAY_NAMESPACE, selector: selectors.gateway, sources: ["gateway"] },
  { namespace: NODE_NAMESPACE, selector: selectors.node, sources: ["attach", "relay"] },
] as const;

/** The logs of the agents of one cluster, read with the user's own rights. */
export class AgentLogs {
  readonly #api: Api;
  /** The time of the last line of each container that was told. */
  readonly #told = new Map<string, string>();

  constructor(api: Api) {
    this.#api = api;
  }

  /** The lines that are there, and the logs that can't be read. */
  async now(
    sinceMs: number | undefined,
    signal: AbortSignal,
  ): Promise<{ lines: AgentLine[]; unread: UnreadLog[] }> {
    const { containers, unread } = await this.#containers(signal);
    const lines: AgentLine[] = [];
    for (let i = 0; i < containers.length; i += AT_A_TIME) {
      await Promise.all(
        containers.slice(i, i + AT_A_TIME).map(async (of) => {
          try {
            lines.push(...await this.#read(of, sinceMs, signal));
          } catch (error) {
            signal.throwIfAborted();
            unread.push(unreadLog(nameOf(of), error));
          }
        }),
      );
    }
    return { lines, unread };
  }

  /** Calls `tell` with each line that comes after {@linkcode now}, also of pods that come, until the signal aborts. */
  async follow(tell: (line: AgentLine) => Promise<void>, signal: AbortSignal): Promise<void> {
    const following = new Set<string>();
    while (!signal.aborted) {
      const { containers } = await this.#containers(signal).catch(() => ({ containers: [] }));
      for (const of of containers) {
        const name = nameOf(of);
        if (following.has(name)) continue;
        following.add(name);
        this.#followOne(of, tell, signal).catch(() => {}).finally(() => following.delete(name));
      }
      await sleep(AGAIN_MS, signal).catch(() => {}); // the signal ends the loop
    }
  }

  async #containers(signal: AbortSignal): Promise<{ containers: AgentContainer[]; unread: UnreadLog[] }> {
    const unread: UnreadLog[] = [];
    const found = await Promise.all(places.map(async ({ namespace, selector, sources }) => {
      try {
        const selection = { namespace, labelSelector: selector };
        const { items } = await this.#api.list(resources.pods, selection, { signal });
        return items.map(parsePod).flatMap(({ name: pod }) =>
          sources.map((source): AgentContainer => ({ source, namespace, pod }))
        );
      } catch (error) {
        signal.throwIfAborted();
        unread.push(unreadLog(sources.join(" and "), error));
        return [];
      }
    }));
    const containers = found.flat();
    if (containers.length > MOST_CONTAINERS) {
      const rest = containers.splice(MOST_CONTAINERS).length;
      unread.push({
        source: `${rest} more containers`,
        why: `there are more than ${MOST_CONTAINERS}, which is the limit`,
      });
    }
    return { containers, unread };
  }

  async #read(of: AgentContainer, sinceMs: number | undefined, signal: AbortSignal): Promise<AgentLine[]> {
    const sinceTime = sinceMs === undefined ? undefined : new Date(sinceMs).toISOString();
    const text = await this.#api.text("GET", pathOfLog(of), {
      signal,
      query: {
        container: of.source,
        timestamps: "true",
        tailLines: String(LINES),
        limitBytes: String(BYTES),
        sinceTime,
      },
      what: `read the log of ${nameOf(of)}`,
    });
    return text.split("\n").flatMap((line) => this.#line(of, line));
  }

  async #followOne(
    of: AgentContainer,
    tell: (line: AgentLine) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const sinceTime = this.#told.get(nameOf(of));
    const stream = await this.#api.stream(pathOfLog(of), {
      signal,
      query: { container: of.source, timestamps: "true", follow: "true", sinceTime },
      what: `follow the log of ${nameOf(of)}`,
    });
    let begun = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (begun + text).split("\n");
      begun = (lines.pop() ?? "").slice(-LONGEST_LINE);
      for (const line of lines) {
        for (const one of this.#line(of, line)) await unlessAborted(tell(one), signal);
      }
    }
  }

  /** A line with its time, unless it was told before: Kubernetes begins at a whole second. */
  #line(of: AgentContainer, line: string): AgentLine[] {
    const [, receivedAt, text] = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (.*)$/s.exec(line) ?? [];
    if (receivedAt === undefined || text === undefined) return [];
    const name = nameOf(of);
    const last = this.#told.get(name);
    if (last !== undefined && comparable(receivedAt) <= comparable(last)) return [];
    this.#told.set(name, receivedAt);
    return [{ of, receivedAt, text }];
  }
}

function pathOfLog({ namespace, pod }: AgentContainer): string {
  return pathOf(resources.pods, { namespace, name: pod, subresource: "log" });
}

function nameOf({ source, pod }: AgentContainer): string {
  return `${source} of ${pod}`;
}

/** A time with all nine digits of its nanoseconds, which Kubernetes leaves out where they are zero. */
function comparable(time: string): string {
  const [seconds = "", digits = ""] = time.slice(0, -1).split(".");
  return `${seconds}.${digits.padEnd(9, "0")}`;
}

export function unreadLog(source: string, error: unknown): UnreadLog {
  return { source, why: error instanceof Error ? error.message : String(error) };
}
