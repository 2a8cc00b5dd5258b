import { jsonLog } from "./log.ts";
import { RELEASE } from "../wire/version.ts";

/** What the pod spec gives each container of the node agent, in its environment. */
const BEAT_FILE = "PMZ_BEAT";
const BEAT_MS = 5_000;

export type NodeLog = (message: string, fields?: Record<string, unknown>) => void;

/**
 * Runs a part of the node agent as a container's process: a log of JSON lines, an AbortSignal for SIGTERM, and a sign of
 * life for the kubelet: the seconds since the epoch, every 5 s, in the file that PMZ_BEAT names.
 */
export async function asNodeProcess(
  component: "attach" | "relay",
  run: (parts: { log: NodeLog; signal: AbortSignal }) => Promise<void>,
): Promise<void> {
  const encoder = new TextEncoder();
  const write = jsonLog((line) => Deno.stdout.writeSync(encoder.encode(line + "\n")), component);
  const log: NodeLog = (message, fields) => write("info", message, fields);
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stop.abort(new DOMException(`got ${signal}`, "AbortError")));
  }
  const path = Deno.env.get(BEAT_FILE);
  const beat = () => {
    if (path === undefined) return;
    Deno.writeTextFile(path, `${Math.floor(Date.now() / 1000)}\n`)
      .catch((error) => write("error", "can't write the sign of life", { path, error }));
  };
  beat();
  const beating = setInterval(beat, BEAT_MS);
  log("starting", { release: RELEASE });
  try {
    await run({ log, signal: stop.signal });
  } finally {
    clearInterval(beating);
  }
  log("stopped");
}

/** A variable that the pod spec has to give. @throws {TypeError} when it doesn't. */
export function given(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new TypeError(`${name} isn't in the environment: the pod spec has to give it`);
  return value;
}

/** A user's or process's id from the environment. @throws {TypeError} when it's none. */
export function givenId(name: string, otherwise: number): number {
  const text = Deno.env.get(name);
  if (text === undefined) return otherwise;
  if (!/^[0-9]{1,10}$/.test(text)) throw new TypeError(`${name} is "${text}", and should be a number`);
  return Number(text);
}
