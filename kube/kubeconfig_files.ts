import type { KubeConfig } from "@kubernetes/client-node";
import { dirname, resolve } from "node:path";

export interface KubeconfigOptions {
  /** A kubeconfig file; else those that $KUBECONFIG lists, else ~/.kube/config. */
  kubeconfig?: string;
}

/** The kubeconfig is missing, broken, or doesn't say what is needed. */
export class KubeconfigError extends Error {
  override name = "KubeconfigError";
}

/** The kubeconfig has no context of that name, or no current one. */
export class NoSuchContext extends KubeconfigError {
  override name = "NoSuchContext";
}

/**
 * Files are merged by kubectl's rules, which client-node's own merging doesn't follow: the first to say something wins,
 * also for the current context, and a file of $KUBECONFIG that doesn't exist is passed over.
 */
export async function loadKubeconfig(options: KubeconfigOptions): Promise<KubeConfig> {
  const { KubeConfig } = await import("./client_node.ts");
  const listed = options.kubeconfig
    ? [options.kubeconfig]
    : Deno.env.get("KUBECONFIG")?.split(":").filter(Boolean);
  const files = listed?.length ? listed : [`${Deno.env.get("HOME") ?? ""}/.kube/config`];
  const merged = new KubeConfig();
  let found = false;
  for (const file of files) {
    const config = new KubeConfig();
    try {
      config.loadFromFile(file);
    } catch (cause) {
      if (isMissing(cause) && !options.kubeconfig) continue;
      throw new KubeconfigError(`Can't read the kubeconfig ${file}: ${messageOf(cause)}`, { cause });
    }
    found = true;
    for (const { exec } of config.users) placePlugin(exec, file);
    const isNew = (known: { name: string }[]) => (each: { name: string }) =>
      !known.some((other) => other.name === each.name);
    config.clusters.filter(isNew(merged.clusters)).forEach((each) => merged.addCluster(each));
    config.users.filter(isNew(merged.users)).forEach((each) => merged.addUser(each));
    config.contexts.filter(isNew(merged.contexts)).forEach((each) => merged.addContext(each));
    merged.currentContext ??= config.currentContext;
  }
  if (!found) {
    throw new KubeconfigError(
      `There is no kubeconfig (${files.join(", ")}). Set KUBECONFIG, or log in to a cluster first.`,
    );
  }
  return merged;
}

/** A plugin's path is meant from the kubeconfig's folder, unless it is a bare name or absolute (client-go). */
function placePlugin(exec: unknown, file: string): void {
  if (typeof exec !== "object" || exec === null || !("command" in exec)) return;
  const { command } = exec;
  if (typeof command === "string" && command.includes("/")) exec.command = resolve(dirname(file), command);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

/** The first lines of an error's message, as one. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().split("\n").slice(0, 5).join("; ").slice(0, 500);
}
