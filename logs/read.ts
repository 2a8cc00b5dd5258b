import { onAbort } from "../async/abort.ts";
import { sleep } from "../async/sleep.ts";
import { Api } from "../kube/client/api.ts";
import { clusterAccess } from "../kube/config/kubeconfig.ts";
import { helperFolder } from "../wire/helper.ts";
import type { LogLine, LogNews, LogsRequest, UnreadLog } from "../wire/log_line.ts";
import { AgentLogs, unreadLog } from "./agents.ts";
import { LogFile } from "./file.ts";
import { knownSecrets } from "./known_secrets.ts";
import { type LineOrigin, parseLine } from "./line.ts";
import { leavingOut } from "./secrets.ts";

/** How often the daemon is asked for more of the helper's log, in milliseconds. */
const ASK_MS = 1_000;
/** Lines that wait for their reader; beyond, the logs wait. */
const MOST_WAITING = 1_000;

const agentsPlace = "the cluster's agents";

/** What the reading of logs looks at besides the request. */
export interface LogParts {
  readonly env: { toObject(): Record<string, string> };
}

/**
 * Reads the logs of all processes of pmz, merged by time, without what is secret. Logs that can't be read come first, then the lines that
 * are there, and with `follow` those that come until the signal aborts.
 */
export async function* readLogs(
  request: LogsRequest,
  parts: LogParts,
  signal: AbortSignal,
): AsyncGenerator<LogNews> {
  using resources = new DisposableStack();
  const leaveOut = leavingOut(
    knownSecrets({
      env: parts.env,
      ...(request.agents?.kubeconfig === undefined ? {} : { kubeconfig: request.agents.kubeconfig }),
    }),
  );
  const unread: UnreadLog[] = [];
  const tell = (text: string, origin: LineOrigin): LogLine[] => {
    const line = parseLine(text, origin, leaveOut);
    return line && (request.since === undefined || Date.parse(line.time) >= request.since) ? [line] : [];
  };

  const daemon = resources.use(new LogFile(`${request.stateFolder}/daemon.log`));
  const helper = new HelperLines(request);
  const agents = await openAgents(request, resources, unread);
  const ofAgents = await agents?.now(request.since, signal);
  unread.push(...ofAgents?.unread ?? []);
  const lines = [
    ...attempt(() => [...daemon.now()], "daemon", unread).flatMap((text) => tell(text, { source: "daemon" })),
    ...(await helper.now(unread)).flatMap((text) => tell(text, { source: "helper" })),
    ...ofAgents?.lines.flatMap(({ of: { source, pod }, receivedAt, text }) =>
      tell(text, { source, pod, receivedAt })
    ) ?? [],
  ];
  for (const { source, why, remedy } of unread) {
    yield { unread: { source, why: leaveOut(why), ...(remedy === undefined ? {} : { remedy }) } };
  }
  // Lines of one log stay in their order: the sort is stable.
  for (const line of lines.sort((a, b) => a.time < b.time ? -1 : a.time > b.time ? 1 : 0)) yield { line };
  if (!request.follow) return;

  const queue = new Queue<LogLine>(MOST_WAITING, signal);
  const follow = async (texts: AsyncIterable<string>, origin: LineOrigin) => {
    for await (const text of texts) for (const line of tell(text, origin)) await queue.put(line);
  };
  void follow(daemon.following(signal), { source: "daemon" }).catch(() => {});
  void follow(helper.following(signal), { source: "helper" }).catch(() => {});
  void agents?.follow(async ({ of: { source, pod }, receivedAt, text }) => {
    for (const line of tell(text, { source, pod, receivedAt })) await queue.put(line);
  }, signal).catch(() => {});
  for await (const line of queue) yield { line };
}

async function openAgents(
  { agents }: LogsRequest,
  resources: DisposableStack,
  unread: UnreadLog[],
): Promise<AgentLogs | undefined> {
  if (!agents) return undefined;
  try {
    const { context, kubeconfig } = agents;
    const cluster = await clusterAccess({
      ...(context === undefined ? {} : { context }),
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      hasTerminal: true,
    });
    return new AgentLogs(resources.use(new Api(cluster)));
  } catch (error) {
    unread.push(unreadLog(agentsPlace, error));
    return undefined;
  }
}

/** The helper's log: from its file for root, else from the daemon. */
class HelperLines {
  readonly #request: LogsRequest;
  readonly #file: LogFile;
  readonly #isRoot: boolean;
  #told: ReadonlySet<string> = new Set();

  constructor(request: LogsRequest) {
    this.#request = request;
    this.#isRoot = request.uid === 0;
    this.#file = new LogFile(this.#path);
  }

  get #path(): string {
    return `${helperFolder(this.#request.uid)}/helper.log`;
  }

  async now(unread: UnreadLog[]): Promise<string[]> {
    if (this.#isRoot) return attempt(() => [...this.#file.now()], "helper", unread);
    const asked = await this.#ask();
    if (asked) return asked;
    if (hasFile(this.#path)) {
      unread.push({
        source: "helper",
        why: "its log is root's, and no daemon with a helper runs that could be asked for it",
        remedy: `sudo cat ${this.#path}`,
      });
    }
    return [];
  }

  async *following(signal: AbortSignal): AsyncGenerator<string> {
    if (this.#isRoot) return yield* this.#file.following(signal);
    while (!signal.aborted) {
      await sleep(ASK_MS, signal).catch(() => {}); // the signal ends the loop
      yield* await this.#ask() ?? [];
    }
  }

  /** The lines that weren't told yet; undefined where there is nobody to ask. */
  async #ask(): Promise<string[] | undefined> {
    const text = await this.#request.helperLog().catch(() => undefined);
    if (text === undefined) return undefined;
    const lines = text.split("\n").filter((line) => line !== "");
    const fresh = lines.filter((line) => !this.#told.has(line));
    this.#told = new Set(lines);
    return fresh;
  }
}

/** Whether there is such a file; the folder may be passed through, though the file may not be read. */
function hasFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function attempt(read: () => string[], source: string, unread: UnreadLog[]): string[] {
  try {
    return read();
  } catch (error) {
    unread.push(unreadLog(source, error));
    return [];
  }
}

/** What several writers put, one reader takes; writers wait while it is full. It ends when the signal aborts. */
class Queue<T> implements AsyncIterable<T> {
  readonly #most: number;
  readonly #signal: AbortSignal;
  readonly #items: T[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(most: number, signal: AbortSignal) {
    this.#most = most;
    this.#signal = signal;
  }

  async put(item: T): Promise<void> {
    while (this.#items.length >= this.#most && !this.#signal.aborted) await this.#changed.promise;
    this.#items.push(item);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    using _ending = onAbort(this.#signal, () => this.#wake());
    while (!this.#signal.aborted) {
      const taken = this.#items.splice(0);
      this.#wake();
      for (const item of taken) yield item;
      if (this.#items.length === 0 && !this.#signal.aborted) await this.#changed.promise;
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
