/** How a command ended, and what it said. */
export interface Ended {
  readonly command: readonly string[];
  /** The exit status; 128 + N where signal N ended it, as shells say it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** How long it took, in milliseconds. */
  readonly ms: number;
}

export interface RunOptions {
  /** Written to its standard input, which is empty otherwise. */
  stdin?: string | Uint8Array;
  /** Added to the environment that it has anyway. */
  env?: Record<string, string>;
  /** In milliseconds; 30 s otherwise. What runs longer is killed, and that is an error. */
  timeout?: number;
}

/** A command ended otherwise than the test needs it to. */
export class CommandError extends Error {
  override name = "CommandError";

  constructor(readonly ended: Ended, what = `ended with ${ended.code}`) {
    const { command, stdout, stderr, ms } = ended;
    super(
      `${command.join(" ")}\n${what} after ${Math.round(ms)} ms\n${part("stdout", stdout)}${
        part("stderr", stderr)
      }`,
    );
  }
}

/** The last lines of what a command said, for an error. */
function part(name: string, text: string): string {
  const lines = text.trimEnd().split("\n");
  const shown = lines.slice(-40).map((line) => `  ${line}`).join("\n");
  return text === ""
    ? ""
    : `${name}${lines.length > 40 ? ` (the last 40 of ${lines.length} lines)` : ""}:\n${shown}\n`;
}

/**
 * Runs a command to its end. The exit status is the caller's to judge: see {@linkcode output} for where only success
 * will do.
 *
 * @throws {CommandError} where it takes longer than `timeout`
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { stdin, env, timeout = 30_000 } = options;
  const [program = "", ...args] = command;
  const begun = performance.now();
  const expiry = new AbortController();
  const timer = setTimeout(() => expiry.abort(), timeout);
  try {
    const child = new Deno.Command(program, { args, env, stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    const kill = () => child.kill("SIGKILL");
    expiry.signal.addEventListener("abort", kill, { once: true });
    const [{ code, stdout, stderr }] = await Promise.all([child.output(), feed(child.stdin, stdin)]);
    const text = new TextDecoder();
    const ended = {
      command,
      code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
      ms: performance.now() - begun,
    };
    if (expiry.signal.aborted) {
      throw new CommandError(ended, `was killed, for it took more than ${timeout} ms,`);
    }
    return ended;
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a command that has to succeed, and answers what it said on standard output. */
export async function output(command: readonly string[], options?: RunOptions): Promise<string> {
  const ended = await run(command, options);
  if (ended.code !== 0) throw new CommandError(ended);
  return ended.stdout;
}

async function feed(stdin: WritableStream<Uint8Array>, content: string | Uint8Array = ""): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const writer = stdin.getWriter();
  try {
    if (bytes.length > 0) await writer.write(bytes);
    await writer.close();
  } catch {
    // It ended, or closed its standard input, without reading all: its exit status tells more than a broken pipe.
  }
}
