import type { Log } from "../wire/log.ts";
import { environment } from "../wire/agent_environment.ts";
import { RELEASE } from "../wire/version.ts";
import { jsonLog } from "./log.ts";

/** Milliseconds between heartbeats: a probe counts one as missed after 20 s (install/manifests/container.ts). */
const HEARTBEAT_MS = 5_000;

/** What a container's process has from its start. */
export interface AgentProcess {
  /** JSON lines on standard output. */
  readonly log: Log;
  /** Aborted by SIGTERM and SIGINT. */
  readonly signal: AbortSignal;
  /** Starts the heartbeat: from now on the kubelet's probes find the container alive. */
  readonly ready: () => void;
}

/** Runs one of the agents as a container's process, until `run` settles. */
export async function runProcess(
  component: "gateway" | "attach" | "relay",
  run: (process: AgentProcess) => Promise<void>,
): Promise<void> {
  const encoder = new TextEncoder();
  const log = jsonLog((line) => Deno.stdout.writeSync(encoder.encode(line + "\n")), component);
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stop.abort(new DOMException(`got ${signal}`, "AbortError")));
  }
  using heartbeat = new Heartbeat(Deno.env.get(environment.heartbeat), log);
  log("info", "starting", { release: RELEASE });
  await run({ log, signal: stop.signal, ready: () => heartbeat.start() });
  log("info", "stopped");
}

/** Writes the seconds since the epoch into a file, again and again: the agents open no port that a probe could ask. */
class Heartbeat implements Disposable {
  readonly #path: string | undefined;
  readonly #log: Log;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param path undefined, outside a pod, for no heartbeat at all. */
  constructor(path: string | undefined, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  start(): void {
    if (this.#path === undefined || this.#timer !== undefined) return;
    const path = this.#path;
    const beat = () =>
      void Deno.writeTextFile(path, `${Math.floor(Date.now() / 1000)}\n`)
        .catch((error) => this.#log("error", "can't write the heartbeat", { path, error }));
    beat();
    this.#timer = setInterval(beat, HEARTBEAT_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** A variable that the pod spec always sets. @throws {TypeError} when it is missing. */
export function requiredVariable(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new TypeError(`the environment variable ${name} is missing: the pod spec has to set it`);
  return value;
}

/** A user id from the environment. @throws {TypeError} when the variable holds something else. */
export function userId(name: string, byDefault: number): number {
  const text = Deno.env.get(name);
  if (text === undefined) return byDefault;
  if (!/^[0-9]{1,10}$/.test(text)) {
    throw new TypeError(`${name} is "${text}", which is not a valid user id: expected a number`);
  }
  return Number(text);
}
