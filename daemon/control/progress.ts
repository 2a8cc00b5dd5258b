import type { Progress } from "../../wire/control.ts";
import type { Reporter } from "../../wire/progress.ts";
import { describe } from "../control_error.ts";

/**
 * Runs `work`, and streams its Progress as NDJSON; the last line is its result or its error. When the reader goes away,
 * the work's signal aborts, and the work undoes what it had begun.
 * @param onUnexpected called with an error whose code is `internal`, too
 */
export function streamProgress<Result>(
  work: (report: Reporter, signal: AbortSignal) => Promise<Result>,
  onUnexpected: (error: unknown) => void = () => {},
): Response {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const say = (line: Progress<Result>) => {
        if (!gone.signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      try {
        say({ kind: "result", result: await work(reporter(say), gone.signal) });
      } catch (error) {
        const told = describe(error);
        if (told.code === "internal") onUnexpected(error);
        say({ kind: "error", error: told });
      }
      if (!gone.signal.aborted) controller.close();
    },
    cancel() {
      gone.abort(new DOMException("the command line went away", "AbortError"));
    },
  });
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}

function reporter(say: (line: Progress<never>) => void): Reporter {
  return {
    async step(name, work, done) {
      const started = performance.now();
      say({ kind: "step", name, state: "started" });
      const result = await work((detail) => say({ kind: "detail", name, detail }));
      const detail = done?.(result);
      const ms = Math.round(performance.now() - started);
      say({ kind: "step", name, state: "done", ms, ...(detail === undefined ? {} : { detail }) });
      return result;
    },
    warn: (message, hint) => say({ kind: "warning", message, ...(hint === undefined ? {} : { hint }) }),
  };
}
