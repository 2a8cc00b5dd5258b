import { runCli } from "../cli/cli.ts";
import type { CliParts, Output } from "../cli/parts.ts";
import type { CommandLine } from "./views.ts";

/**
 * Runs a command line as a terminal would, and streams what it says, a CommandLine a line, its exit code last. No question can be
 * asked on the way: where the command has a question, it says with which option to agree beforehand. When the reader goes away, the
 * command is interrupted, as by Ctrl-C.
 * @param closing interrupts it, too
 */
export function streamCommand(
  words: readonly string[],
  parts: CliParts,
  closing: AbortSignal,
  onEnd: () => void,
): Response {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      const say = (line: CommandLine) => {
        if (!gone.signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      const [stdout, stderr] = [
        lines((text) => say({ text, isError: false })),
        lines((text) => say({ text, isError: true })),
      ];
      try {
        const exit = await runCli(words, {
          ...parts,
          stdin: { isTerminal: false, readLine: () => Promise.resolve(null) },
          stdout,
          stderr,
          interrupted: AbortSignal.any([gone.signal, closing]),
        });
        say({ exit });
        if (!gone.signal.aborted) controller.close();
      } finally {
        onEnd();
      }
    },
    cancel() {
      gone.abort(new DOMException("the page went away", "AbortError"));
    },
  });
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}

/** An output that tells whole lines. */
function lines(tell: (line: string) => void): Output {
  let rest = "";
  return {
    isTerminal: false,
    columns: () => undefined,
    write(text) {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      parts.forEach(tell);
    },
  };
}
