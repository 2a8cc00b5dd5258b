import type { ClusterChoice, ServiceEnvironment } from "../wire/control.ts";
import { writePrivately } from "./atomic_file.ts";
import type { ControlClient } from "./control_client.ts";
import { dotenv } from "./dotenv.ts";
import { failure } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/** Variables that describe the machine a program runs on, besides LD_* and XDG_*: those of the laptop stay. */
const OF_MACHINE: ReadonlySet<string> = new Set([
  "CLASSPATH",
  "HOME",
  "JAVA_HOME",
  "LOGNAME",
  "PATH",
  "PWD",
  "PYTHONHOME",
  "PYTHONPATH",
  "SHELL",
  "TERM",
  "TMPDIR",
  "USER",
]);

function isOfMachine(name: string): boolean {
  return OF_MACHINE.has(name) || /^(LD|XDG)_/.test(name);
}

/** Which container's environment. */
export interface EnvironmentChoice {
  readonly service: string;
  readonly container?: string | undefined;
  /** Name or number of the Service's port. */
  readonly port?: string | undefined;
}

export async function askEnvironment(
  daemon: ControlClient,
  choice: ClusterChoice,
  { service, container, port }: EnvironmentChoice,
): Promise<ServiceEnvironment> {
  return await daemon.ask("environment", {
    ...choice,
    service,
    ...(container === undefined ? {} : { container }),
    ...(port === undefined ? {} : { port }),
  });
}

/** The variables for a program of this machine. */
export function variablesHere({ variables }: ServiceEnvironment): [string, string][] {
  return Object.entries(variables).filter(([name]) =>
    !isOfMachine(name) && name !== "" && !name.includes("=")
  );
}

/** Says what the environment lacks, and what isn't taken over. Never a value. */
export function sayLacks(terminal: Terminal, environment: ServiceEnvironment): void {
  for (const problem of environment.problems) terminal.warn(problem);
  if (environment.otherMounts.length > 0) {
    terminal.note(`mounts that aren't here: ${environment.otherMounts.join(", ")}`);
  }
  const own = Object.keys(environment.variables).filter(isOfMachine);
  if (own.length > 0) terminal.note(`this machine's own are kept: ${own.join(", ")}`);
}

/** "pod echo-7d9f, container app": whose environment it is. */
export function whose({ pod, container, service, namespace }: ServiceEnvironment): string {
  return `${
    pod === undefined ? `a pod template of ${service}.${namespace}` : `pod ${pod}`
  }, container ${container}`;
}

/** The environment as the text of a .env file, with warnings about what can't be said in one. */
export function envFileText(terminal: Terminal, environment: ServiceEnvironment): string {
  const { text, unsure, leftOut } = dotenv(variablesHere(environment));
  if (leftOut.length > 0) {
    terminal.warn(
      `no .env file can have these: ${leftOut.join(", ")}`,
      "pmz run and pmz env -o json have them",
    );
  }
  if (unsure.length > 0) {
    terminal.warn(
      `parsers of .env files read these differently: ${unsure.join(", ")}`,
      "Docker Compose reads them right; pmz run and pmz env -o json have them as they are",
    );
  }
  return `# ${whose(environment)}, by pmz env\n${text}`;
}

function unwritable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "its folder isn't there";
  if (error instanceof Deno.errors.PermissionDenied) return "you have no right to write there";
  return error instanceof Error ? error.message : String(error);
}

/** @throws {CliFailure} `usage` when it can't be written */
export async function writeEnvFile(
  terminal: Terminal,
  path: string,
  environment: ServiceEnvironment,
): Promise<void> {
  const text = envFileText(terminal, environment);
  try {
    await writePrivately(path, text);
  } catch (error) {
    throw failure(
      "usage",
      `${path} can't be written: ${unwritable(error)}`,
      "choose a file in a folder of yours",
      error,
    );
  }
  terminal.note(`${path} has the variables of ${whose(environment)}; only you may read it`);
}
