import type { KubeConfig } from "@kubernetes/client-node";
import { dirname, resolve } from "node:path";

export interface KubeconfigOptions {
  /** A kubeconfig file, or several with colons between; else those that $KUBECONFIG lists, else ~/.kube/config. */
  kubeconfig?: string;
}

/** The kubeconfig is missing or broken, or lacks something that is needed. */
export class KubeconfigError extends Error {
  override name = "KubeconfigError";
  /** What to do next. */
  readonly hint: string | undefined;

  constructor(message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.hint = options.hint;
  }
}

/** The kubeconfig has no context of that name, or no current one. */
export class NoSuchContext extends KubeconfigError {
  override name = "NoSuchContext";
}

/**
 * Loads the kubeconfig's files and merges them by kubectl's rules, which client-node's own merging doesn't follow: the first file that has
 * an entry wins, also for the current context, and a missing file of a list is skipped.
 *
 * @throws {KubeconfigError} when a file can't be read, or none of them exists
 */
export async function loadKubeconfig(options: KubeconfigOptions): Promise<KubeConfig> {
  const { KubeConfig, loadAll } = await import("./client_node.ts");
  const listed = (options.kubeconfig || Deno.env.get("KUBECONFIG"))?.split(":").filter(Boolean);
  const files = listed?.length ? listed : [`${Deno.env.get("HOME") ?? ""}/.kube/config`];
  const mayMiss = !options.kubeconfig || files.length > 1;
  const merged = new KubeConfig();
  let found = false;
  for (const file of files) {
    const config = new KubeConfig();
    try {
      config.loadFromFile(file);
      takeTokenFiles(config, file, loadAll);
    } catch (cause) {
      if (isMissing(cause) && mayMiss) continue;
      throw unreadable(file, cause);
    }
    found = true;
    for (const { exec } of config.users) placePlugin(exec, file);
    const isNew = (known: { name: string }[]) => (each: { name: string }) =>
      !known.some((other) => other.name === each.name);
    config.clusters.filter(isNew(merged.clusters)).forEach((each) => merged.addCluster(each));
    config.users.filter(isNew(merged.users)).forEach((each) => merged.addUser(each));
    config.contexts.filter(isNew(merged.contexts)).forEach((each) => merged.addContext(each));
    merged.currentContext ||= config.currentContext;
  }
  if (!found) {
    throw new KubeconfigError(
      `There is no kubeconfig (${files.join(", ")}). Set KUBECONFIG, or log in to a cluster first.`,
    );
  }
  return merged;
}

function unreadable(file: string, cause: unknown): KubeconfigError {
  const broken = yamlErrorOf(cause);
  if (!broken) {
    return new KubeconfigError(`Can't read the kubeconfig ${file}: ${messageOf(cause)}`, { cause });
  }
  return new KubeconfigError(`${file}, line ${broken.line}, is not valid YAML: ${broken.reason}`, {
    cause,
    hint: "correct the file, or choose another with --kubeconfig",
  });
}

/** What js-yaml says of text that isn't YAML; the line counts from 1. */
function yamlErrorOf(error: unknown): { readonly line: number; readonly reason: string } | undefined {
  if (!(error instanceof Error) || error.name !== "YAMLException" || !("mark" in error)) return undefined;
  const { reason, mark } = error as { reason?: unknown; mark?: { line?: unknown } };
  if (typeof reason !== "string" || typeof mark?.line !== "number") return undefined;
  return { line: mark.line + 1, reason };
}

/** Makes a plugin's path absolute: it is relative to the kubeconfig's folder, unless it is a bare name (client-go). */
function placePlugin(exec: unknown, file: string): void {
  if (typeof exec !== "object" || exec === null || !("command" in exec)) return;
  const { command } = exec;
  if (typeof command === "string" && command.includes("/")) exec.command = resolve(dirname(file), command);
}

/**
 * Turns a user's `tokenFile`, which client-node doesn't know, into an auth provider's, which it reads once a minute. As in client-go a
 * `tokenFile` overrides a token, and its path is relative to the kubeconfig's folder.
 */
function takeTokenFiles(config: KubeConfig, file: string, parse: (yaml: string) => unknown[]): void {
  const text = Deno.readTextFileSync(file);
  if (!text.includes("tokenFile")) return;
  const [read] = parse(text) as { users?: { name?: string; user?: { tokenFile?: unknown } }[] }[];
  for (const { name, user } of read?.users ?? []) {
    const tokenFile = user?.tokenFile;
    if (typeof tokenFile !== "string" || tokenFile === "") continue;
    config.users = config.users.map((each) => {
      if (each.name !== name) return each;
      const { token: _, ...rest } = each;
      const path = resolve(dirname(file), tokenFile);
      return { ...rest, authProvider: { name: "tokenFile", config: { tokenFile: path } } };
    });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** The first lines of an error's message, as one. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().split("\n").slice(0, 5).join("; ").slice(0, 500);
}
