import type { ForwardedSignal } from "./interrupt.ts";
import { GroupWitness } from "./group_witness.ts";

/** What shells end with where a program can't be started: it isn't there, or can't be run. */
const NOT_FOUND = 127, NOT_RUNNABLE = 126;

/** A program that was started in the foreground: terminal, stdin, stdout and stderr are its own. */
export interface Program {
  /** Its exit code; 128 and the number of the signal that ended it. */
  readonly exit: Promise<number>;
  send(signal: ForwardedSignal): Promise<void>;
}

/** A program that can't be started. */
export class NotStarted extends Error {
  override name = "NotStarted";
  /** As shells have it. */
  readonly exit: number;

  constructor(program: string, cause: unknown) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    const why = isMissing ? "it isn't there" : cause instanceof Error ? cause.message : String(cause);
    super(`${program} can't be started: ${why}`, { cause });
    this.exit = isMissing ? NOT_FOUND : NOT_RUNNABLE;
  }
}

/** @throws {NotStarted} */
export function startProgram(
  [program = "", ...args]: readonly string[],
  variables: Readonly<Record<string, string>>,
): Program {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program, {
      args,
      clearEnv: true,
      env: variables,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    throw new NotStarted(program, error);
  }
  const witness = new GroupWitness();
  return {
    exit: child.status.finally(() => witness[Symbol.dispose]()).then(({ code }) => code),
    async send(signal) {
      // A terminal has sent it to the program as well: a second one means "at once" to many.
      const isOfTerminal = signal === "SIGINT" || signal === "SIGQUIT";
      if (isOfTerminal && await witness.hasSeen(signal)) return;
      try {
        child.kill(signal);
      } catch {
        // It has just ended.
      }
    },
  };
}
