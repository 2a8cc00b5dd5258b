// deno-lint-ignore-file no-console -- standard output is how it answers
/**
 * Attach with a cluster of its own making: `attach_alone.ts HOSTPROC HOSTPID SOCKET RELAYUID LIBBPF OBJECT`. Each line of
 * standard input is all that there is in the cluster, as JSON; each status that is applied and each session that is
 * deleted is a line of standard output.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { parsePod, parseService, type Pod, type Service } from "../../../kube/objects/objects.ts";
import { parseSession } from "../../../wire/intercept.ts";
import { identity } from "../../testing/laptop.ts";
import { runAttach } from "../attach.ts";
import { parseWatchedRule, type WatchedRule } from "../status.ts";
import type { ClusterView, WatchedSession } from "../view.ts";

/** What there is in the cluster: raw objects. */
export interface State {
  readonly rules: readonly unknown[];
  readonly sessions: readonly unknown[];
  readonly pods: readonly unknown[];
  readonly services: readonly unknown[];
  readonly denied?: readonly string[];
}

class MadeView implements ClusterView {
  readonly #listeners = new Set<() => void>();
  #rules: WatchedRule[] = [];
  #sessions: WatchedSession[] = [];
  #pods: Pod[] = [];
  #services: Service[] = [];
  #denied = new Set<string>();

  set(state: State): void {
    this.#rules = state.rules.map(parseWatchedRule);
    this.#sessions = state.sessions.map((raw) => ({ session: parseSession(raw), resourceVersion: "1" }));
    this.#pods = state.pods.map(parsePod);
    this.#services = state.services.map(parseService);
    this.#denied = new Set(state.denied);
    for (const listener of this.#listeners) listener();
  }

  rules = () => this.#rules;
  sessions = () => this.#sessions;
  pods = () => this.#pods;
  callers = () => this.#pods;
  callerNamespaces = () => new Set(this.#pods.map(({ namespace }) => namespace));
  services = () => this.#services;
  denied = () => this.#denied;
  known = () => true;

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  onReturn(): Disposable {
    return { [Symbol.dispose]() {} };
  }

  applyStatus({ rule }: WatchedRule, body: object): Promise<void> {
    console.log(JSON.stringify({ rule: rule.uid, ...body }));
    return Promise.resolve();
  }

  deleteSession({ session }: WatchedSession): Promise<boolean> {
    console.log(JSON.stringify({ deleted: session.uid }));
    return Promise.resolve(true);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

if (import.meta.main) {
  const [hostProc = "", hostPid = "", handoverPath = "", relayUid = "", libbpf = "", object = ""] = Deno.args;
  const view = new MadeView();
  const stop = new AbortController();
  const { cluster, pod, node } = identity;
  const running = runAttach({
    view,
    assets: { libbpf: Deno.readFileSync(libbpf), intercept: Deno.readFileSync(object) },
    introduction: { clusterUid: cluster.uid, caHash: cluster.caHash, pod, node },
    hostProc,
    hostPid: Number(hostPid),
    handoverPath,
    relayUid: Number(relayUid),
    log: (_level, message, fields) => console.error(`attach: ${message}`, JSON.stringify(fields ?? {})),
    signal: stop.signal,
  });
  for await (const line of createInterface({ input: process.stdin })) view.set(JSON.parse(line) as State);
  stop.abort();
  await running;
}
