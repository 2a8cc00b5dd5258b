import { Api } from "../../kube/client/api.ts";
import { inClusterAccess } from "../../kube/config/in_cluster.ts";
import { RELEASE } from "../../wire/version.ts";
import { environment } from "../../wire/gateway_environment.ts";
import { runGateway } from "./gateway.ts";
import { jsonLog, type Log } from "../log.ts";
import { parseRange, type Range } from "../../net/range.ts";

const BEAT_MS = 5_000;

/** The gateway as a pod's process: until SIGTERM. */
export async function main(): Promise<void> {
  const encoder = new TextEncoder();
  const log = jsonLog((line) => Deno.stdout.writeSync(encoder.encode(line + "\n")), "gateway");
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => stop.abort(new DOMException(`got ${signal}`, "AbortError")));
  }
  using _beat = new Beat(Deno.env.get(environment.beat), log);
  using api = new Api(await inClusterAccess(), { userAgent: `pmz-gateway/${RELEASE}` });
  log("info", "starting", { release: RELEASE });
  await runGateway({
    api,
    ranges: parseRanges(Deno.env.get(environment.ranges) ?? ""),
    log,
    onReady: () => _beat.start(),
    signal: stop.signal,
  });
  log("info", "stopped");
}

/** @throws TypeError that names what is no range. */
export function parseRanges(text: string): Range[] {
  return text.split(",").map((each) => each.trim()).filter((each) => each !== "").map((each) => {
    const range = parseRange(each);
    if (!range) throw new TypeError(`"${each}" is no range in CIDR notation, as in 10.0.0.0/16`);
    return range;
  });
}

/** Writes a sign of life into a file: a probe that opens a port would need one to be open. */
class Beat implements Disposable {
  readonly #path: string | undefined;
  readonly #log: Log;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(path: string | undefined, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  start(): void {
    if (this.#path === undefined) return;
    const path = this.#path;
    const beat = () =>
      void Deno.writeTextFile(path, `${Math.floor(Date.now() / 1000)}\n`)
        .catch((error) => this.#log("error", "can't write the beat", { path, error }));
    beat();
    this.#timer = setInterval(beat, BEAT_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
