import { resolve } from "node:path";
import { withTimeout } from "../../async/timeout.ts";
import { type CommandEnvironment, variablesOf } from "./command_environment.ts";
import type { ClusterEntry, ExecEntry } from "./entries.ts";
import { KubeconfigError } from "./kubeconfig_error.ts";

/** A plugin may open a browser and wait for a person to log in; milliseconds. */
const TIMEOUT_MS = 120_000;
/** Bytes of a plugin's answer. */
const LONGEST_ANSWER = 1 << 20;

const VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const MODES = ["Never", "IfAvailable", "Always"];

/** What an exec plugin answers: a token, a certificate with its key, or both. Secret. */
export interface PluginCredential {
  readonly token?: string;
  /** PEM. */
  readonly cert?: string;
  readonly key?: string;
  /** Milliseconds since 1970; it holds until it is refused without it. */
  readonly expires?: number;
}

/** Where a plugin runs. */
export interface PluginPlace {
  readonly environment: CommandEnvironment;
  /** Whether it may ask on this process's terminal, and write there. Without it nothing that it writes is seen. */
  readonly hasTerminal: boolean;
}

/** What kubectl refuses about a plugin's entry; undefined where it takes it. */
export function problemOfPlugin(exec: ExecEntry, user: string): string | undefined {
  const plugin = `The exec plugin of user "${user}"`;
  if (exec.command === "") return `${plugin} has no command`;
  if (!VERSIONS.includes(exec.apiVersion)) {
    return `${plugin} has the apiVersion "${exec.apiVersion}": expected ${VERSIONS.join(" or ")}`;
  }
  if (exec.env.some(({ name }) => name === "")) return `${plugin} has a variable without a name`;
  if (exec.interactiveMode === "" && exec.apiVersion === VERSIONS[0]) {
    return `${plugin} has no interactiveMode: expected ${MODES.join(", ")}`;
  }
  if (exec.interactiveMode !== "" && !MODES.includes(exec.interactiveMode)) {
    return `${plugin} has the interactiveMode "${exec.interactiveMode}": expected ${MODES.join(", ")}`;
  }
  return undefined;
}

/**
 * Runs an exec plugin (client.authentication.k8s.io ExecCredential) as kubectl does. What it writes to stderr goes to the terminal or
 * nowhere: it may have secrets, so no error has any of it.
 *
 * @throws {KubeconfigError} when it can't be started, fails, takes two minutes, or answers something else
 */
export async function runPlugin(
  exec: ExecEntry,
  server: PluginServer,
  { environment, hasTerminal }: PluginPlace,
): Promise<PluginCredential> {
  const isTerminal = hasTerminal && Deno.stdin.isTerminal();
  if (exec.interactiveMode === "Always" && !isTerminal) {
    throw new KubeconfigError(`The plugin "${exec.command}" asks on a terminal, and there is none`, {
      hint: "run pmz up again on a terminal",
    });
  }
  const interactive = isTerminal && exec.interactiveMode !== "Never";
  const variables = {
    ...environment.variables,
    ...Object.fromEntries(exec.env.map(({ name, value }) => [name, value])),
    KUBERNETES_EXEC_INFO: JSON.stringify(execInfo(exec, server, interactive)),
  };
  const answer = await run(exec, variables, environment.folder, {
    stdin: interactive ? "inherit" : "null",
    stderr: hasTerminal ? "inherit" : "null",
  });
  return parseCredential(answer, exec);
}

/** What a plugin may be told of the cluster. */
export interface PluginServer {
  readonly cluster: ClusterEntry;
  /** PEM of the kubeconfig's CA; empty without one. */
  readonly ca: string;
}

function execInfo(exec: ExecEntry, { cluster, ca }: PluginServer, interactive: boolean): object {
  const told = {
    server: cluster.server,
    ...(cluster.serverName ? { "tls-server-name": cluster.serverName } : {}),
    ...(cluster.insecure ? { "insecure-skip-tls-verify": true } : {}),
    ...(ca ? { "certificate-authority-data": btoa(ca) } : {}),
    ...(cluster.proxyUrl ? { "proxy-url": cluster.proxyUrl } : {}),
    ...(cluster.disableCompression ? { "disable-compression": true } : {}),
    config: cluster.pluginConfig ?? null,
  };
  return {
    kind: "ExecCredential",
    apiVersion: exec.apiVersion,
    spec: { ...(exec.provideClusterInfo ? { cluster: told } : {}), interactive },
  };
}

async function run(
  exec: ExecEntry,
  env: Record<string, string>,
  folder: string,
  stdio: { stdin: "inherit" | "null"; stderr: "inherit" | "null" },
): Promise<string> {
  const program = findProgram(exec.command, variablesOf({ variables: env })("PATH") ?? "", folder);
  const told = exec.installHint === "" ? {} : { hint: printable(exec.installHint) };
  if (program === undefined) {
    throw new KubeconfigError(`The plugin "${exec.command}" isn't on the PATH of this command`, {
      hint: `install it, or add its folder to PATH (command -v ${printable(exec.command)})`,
      ...told,
    });
  }
  let child;
  try {
    child = new Deno.Command(program, {
      args: [...exec.args],
      env,
      clearEnv: true,
      cwd: isFolder(folder) ? folder : "/",
      stdout: "piped",
      ...stdio,
    }).spawn();
  } catch (cause) {
    throw new KubeconfigError(`The plugin "${exec.command}" can't be started`, { cause, ...told });
  }
  try {
    const [text, { code, signal }] = await withTimeout(
      Promise.all([readAll(child.stdout, exec.command), child.status]),
      TIMEOUT_MS,
    );
    if (code === 0) return text;
    throw new KubeconfigError(
      `The plugin "${exec.command}" ended ${signal ? `by ${signal}` : `with exit code ${code}`}`,
      { hint: "run `kubectl get --raw /version`: it shows what the plugin says, and may want you to log in" },
    );
  } catch (error) {
    kill(child);
    if (!(error instanceof Error) || error.name !== "TimeoutError") throw error;
    throw new KubeconfigError(`The plugin "${exec.command}" took more than ${TIMEOUT_MS / 1000} s`, {
      hint: "log in first: kubectl get --raw /version",
    });
  }
}

async function readAll(from: ReadableStream<Uint8Array<ArrayBuffer>>, command: string): Promise<string> {
  let text = "", size = 0;
  for await (const part of from.pipeThrough(new TextDecoderStream())) {
    size += part.length;
    if (size > LONGEST_ANSWER) {
      throw new KubeconfigError(`The plugin "${command}" answers more than ${LONGEST_ANSWER >> 20} MiB`);
    }
    text += part;
  }
  return text;
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // it has ended
  }
}

/** The program of a command: a path, or the first of that name on an absolute folder of PATH. */
function findProgram(command: string, path: string, folder: string): string | undefined {
  if (command.includes("/")) return resolve(folder, command);
  return path.split(":").filter((entry) => entry.startsWith("/")).map((entry) => `${entry}/${command}`)
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function printable(text: string): string {
  return text.slice(0, 500).replace(/\s+/g, " ").replace(/\p{C}/gu, "").trim();
}

/** Reads an ExecCredential. @throws {KubeconfigError} without any of the answer's words */
export function parseCredential(
  answer: string,
  exec: Pick<ExecEntry, "command" | "apiVersion">,
): PluginCredential {
  const wrong = (expected: string) =>
    new KubeconfigError(
      `The answer of the plugin "${exec.command}" is not a valid ExecCredential: expected ${expected}`,
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    throw wrong("JSON");
  }
  const { kind, apiVersion, status } = fieldsOf(parsed);
  if (kind !== "ExecCredential" || apiVersion !== exec.apiVersion) {
    throw wrong(`the apiVersion ${exec.apiVersion}`);
  }
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = fieldsOf(status);
  if (!isText(token) && !isText(cert) && !isText(key)) throw wrong("a token, or a certificate with its key");
  if (isText(cert) !== isText(key)) throw wrong("a certificate with its key");
  const expires = isText(expirationTimestamp) ? timeOf(expirationTimestamp) : undefined;
  if (Number.isNaN(expires)) throw wrong("a time as expirationTimestamp");
  return {
    ...(isText(token) ? { token } : {}),
    ...(isText(cert) && isText(key) ? { cert, key } : {}),
    ...(expires === undefined ? {} : { expires }),
  };
}

/** A time of RFC 3339, in milliseconds; NaN for anything else. */
function timeOf(text: string): number {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text) ? Date.parse(text) : NaN;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
