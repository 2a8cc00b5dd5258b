import type { Input, Output } from "./parts.ts";

/** Bytes of one answer. */
const LONGEST_LINE = 4096;

/** The process's own stdin, stdout and stderr. */
export function processConsole(): {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
} {
  return { stdin: new ProcessInput(), stdout: outputOf(Deno.stdout), stderr: outputOf(Deno.stderr) };
}

function outputOf(to: typeof Deno.stdout): Output {
  const encoder = new TextEncoder();
  return {
    isTerminal: to.isTerminal(),
    write(text) {
      for (let bytes = encoder.encode(text); bytes.length > 0;) bytes = bytes.subarray(to.writeSync(bytes));
    },
    columns() {
      if (!to.isTerminal()) return undefined;
      try {
        return Deno.consoleSize().columns || undefined; // 0 where nobody has set it
      } catch {
        return undefined; // only stdin, stdout and stderr that are all redirected have no size
      }
    },
  };
}

class ProcessInput implements Input {
  readonly isTerminal = Deno.stdin.isTerminal();

  async readLine(signal: AbortSignal): Promise<string | null> {
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      const buffer = new Uint8Array(LONGEST_LINE); // a terminal gives a line at a time
      const length = await Promise.race([Deno.stdin.read(buffer), aborted.promise]);
      if (length === null) return null;
      return new TextDecoder().decode(buffer.subarray(0, length)).replace(/\r?\n.*$/s, "");
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
