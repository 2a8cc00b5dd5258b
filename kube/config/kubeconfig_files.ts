import { resolve } from "node:path";
import { type CommandEnvironment, ownEnvironment, variablesOf } from "./command_environment.ts";
import type { Kubeconfig } from "./entries.ts";
import { KubeconfigError, messageOf } from "./kubeconfig_error.ts";
import { parseKubeconfig } from "./parse_kubeconfig.ts";

/** Bytes of a kubeconfig's file: kubeconfigs of hundreds of clusters have a few. */
const LONGEST_FILE = 16 << 20;

/** Which kubeconfig, and in which environment it is read. */
export interface KubeconfigOptions {
  /** A kubeconfig file, or several with colons between; else those that $KUBECONFIG lists, else ~/.kube/config. */
  readonly kubeconfig?: string;
  /** The environment of the command that asks; this process's own without it. */
  readonly environment?: CommandEnvironment;
}

/**
 * Loads the kubeconfig's files and merges them by kubectl's rules: the first file that has an entry wins, also for the current context, and
 * a missing file of a list is skipped.
 *
 * @throws {KubeconfigError} when a file can't be read or parsed, or none of them exists
 */
export function loadKubeconfig(options: KubeconfigOptions): Kubeconfig {
  const { kubeconfig, environment = ownEnvironment() } = options;
  const files = filesOf(kubeconfig, environment);
  const mayMiss = !kubeconfig || files.length > 1;
  const loaded = files.flatMap((file) => {
    const text = readFile(file, mayMiss);
    return text === undefined ? [] : [parseKubeconfig(text, file)];
  });
  if (loaded.length === 0) {
    throw new KubeconfigError(
      `There is no kubeconfig (${files.join(", ")}). Set KUBECONFIG, or log in to a cluster first.`,
    );
  }
  return {
    clusters: merged(loaded.map(({ clusters }) => clusters)),
    users: merged(loaded.map(({ users }) => users)),
    contexts: merged(loaded.map(({ contexts }) => contexts)),
    currentContext: loaded.map(({ currentContext }) => currentContext).find((name) => name !== "") ?? "",
  };
}

function filesOf(kubeconfig: string | undefined, environment: CommandEnvironment): string[] {
  const read = variablesOf(environment);
  const listed = (kubeconfig || read("KUBECONFIG") || "").split(":").filter((file) => file !== "");
  const files = listed.length > 0 ? listed : [`${read("HOME") ?? ""}/.kube/config`];
  return files.map((file) => resolve(environment.folder, file));
}

/** A descriptor of the process that opens the path, as a shell's `<(command)` is. */
const DESCRIPTOR = /^\/(?:dev\/(?:fd\/|stdin$)|proc\/[^/]+\/fd\/)/;

function readFile(file: string, mayMiss: boolean): string | undefined {
  if (DESCRIPTOR.test(file)) throw readOnce(file, "it is open in the shell's command alone");
  try {
    const { size, isFifo } = Deno.statSync(file);
    if (size > LONGEST_FILE) throw new Error(`it is larger than ${LONGEST_FILE >> 20} MiB`);
    if (isFifo) throw readOnce(file, "it is a pipe");
    return Deno.readTextFileSync(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound && mayMiss) return undefined;
    if (cause instanceof KubeconfigError) throw cause;
    throw new KubeconfigError(`Can't read the kubeconfig ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** What can be read once isn't enough: the kubeconfig is read again when a connection fails. */
function readOnce(file: string, why: string): KubeconfigError {
  return new KubeconfigError(`Can't read the kubeconfig ${file}: ${why}`, {
    hint: "write it into a file, which only you may read: pmz reads it again when a connection fails",
  });
}

/** The first entry of each name, in the order of the files. */
function merged<T>(maps: readonly ReadonlyMap<string, T>[]): ReadonlyMap<string, T> {
  const first = new Map<string, T>();
  for (const [name, entry] of maps.flatMap((map) => [...map])) if (!first.has(name)) first.set(name, entry);
  return first;
}
