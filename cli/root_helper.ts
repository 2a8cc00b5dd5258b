import type { HelperGrant, HelperReady } from "../wire/helper.ts";
import { insideWords } from "../wire/inside.ts";
import { failure } from "./failure.ts";
import type { Cli } from "./session.ts";
import { byRoot, isRoot } from "./sudo.ts";

const WITHOUT_ROOT = "without root there is: pmz up --proxy";
/** Characters that are kept of what sudo and the helper print. */
const LONGEST_OUTPUT = 64 * 1024;

/** How a start ended, and what was printed meanwhile. */
interface Attempt {
  readonly program: string;
  readonly status: Deno.CommandStatus;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Starts the root helper with sudo, in the foreground, so that sudo can ask for the password: on the terminal, or,
 * where stdin is not a terminal, from stdin. Root itself needs no sudo.
 * @throws {CliFailure} `helper` when sudo is missing or refuses, or the helper doesn't start: it says which
 */
export async function startHelper(cli: Cli, grant: HelperGrant): Promise<void> {
  const line = await byRoot(
    cli,
    cli.parts.helperCommand(grant),
    "the root helper wasn't started",
    `run pmz up as root, or ${WITHOUT_ROOT}`,
  );
  if (!isRoot(cli)) {
    cli.terminal.note(
      `sudo starts pmz's root helper: routes, names and firewall traces, for ${insideWords(grant.also)}`,
    );
    if (grant.also.length > 0) {
      cli.terminal.note(
        "of these accounts, too, connections go through pmz then, and pmz answers their DNS queries",
      );
    }
  }
  const running = run(cli, line);
  cli.startsHelper(running);
  const attempt = await running;
  cli.signal.throwIfAborted();
  // Ctrl-C goes to both, and sudo's end may be known first.
  if (attempt.status.signal === "SIGINT") throw new DOMException("interrupted", "AbortError");
  if (attempt.status.code === 0) return;
  const ready = readyOf(attempt.stdout);
  if (ready && !ready.ready) {
    throw failure(
      "helper",
      `the root helper can't start: ${ready.error}`,
      `pmz doctor checks this machine; ${WITHOUT_ROOT}`,
    );
  }
  throw isRoot(cli) ? endedEarly(attempt) : refusedBySudo(attempt, cli.parts.stdin.isTerminal);
}

/** Runs it, and passes what it prints on stderr to the terminal as it comes. */
async function run(cli: Cli, [program = "", ...args]: readonly string[]): Promise<Attempt> {
  const child = new Deno.Command(program, {
    args,
    env: { LC_ALL: "C" }, // its words are read, below
    stdin: "inherit",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [status, stdout, stderr] = await Promise.all([
    child.status,
    textOf(child.stdout),
    textOf(child.stderr, (text) => cli.parts.stderr.write(text)),
  ]);
  return { program, status, stdout, stderr };
}

async function textOf(
  from: ReadableStream<Uint8Array<ArrayBuffer>>,
  each: (text: string) => void = () => {},
): Promise<string> {
  let all = "";
  for await (const text of from.pipeThrough(new TextDecoderStream())) {
    each(text);
    all = (all + text).slice(-LONGEST_OUTPUT);
  }
  return all;
}

/** The line of `pmz helper start`; undefined when it wasn't reached. */
function readyOf(stdout: string): HelperReady | undefined {
  try {
    const said: unknown = JSON.parse(stdout);
    return typeof said === "object" && said !== null && "ready" in said ? said as HelperReady : undefined;
  } catch {
    return undefined;
  }
}

const NO_TERMINAL = {
  says: "sudo needs a password, and there is no terminal to ask for it",
  hint: `run pmz up on a terminal, or ${WITHOUT_ROOT}`,
};
/** What sudo says where stdin ends before a password, and where it has read a wrong one. */
const NOTHING_READ = /no password was provided/i;
const REJECTED = /sorry, try again|incorrect password attempt/i;

/** What sudo's own words mean (sudo(8), "DIAGNOSTICS"). */
const refusals: readonly (readonly [words: RegExp, says: string, hint: string])[] = [
  [
    /incorrect password attempt|no password was provided|authentication failure/i,
    "sudo didn't accept the password",
    `try again, or ${WITHOUT_ROOT}`,
  ],
  [
    /a password is required|a terminal is required|no tty present/i,
    NO_TERMINAL.says,
    NO_TERMINAL.hint,
  ],
  [
    /not in the sudoers file|is not allowed to|may not run sudo/i,
    "sudo doesn't allow you to start the root helper",
    `ask the administrator of this machine, or ${WITHOUT_ROOT}`,
  ],
];

function refusedBySudo(attempt: Attempt, hasTerminal: boolean): Error {
  if (!hasTerminal && NOTHING_READ.test(attempt.stderr) && !REJECTED.test(attempt.stderr)) {
    return failure("helper", `the root helper wasn't started: ${NO_TERMINAL.says}`, NO_TERMINAL.hint);
  }
  const refusal = refusals.find(([words]) => words.test(attempt.stderr));
  if (!refusal) return endedEarly(attempt);
  const [, says, hint] = refusal;
  return failure("helper", `the root helper wasn't started: ${says}`, hint);
}

function endedEarly({ program, status: { code, signal } }: Attempt): Error {
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
  return failure("helper", `the root helper wasn't started: ${program} ended ${how}`, WITHOUT_ROOT);
}
