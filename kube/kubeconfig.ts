import { deadline } from "@std/async/deadline.js";
import { type ApiServerAccess, certificatesHash, type Cluster, parseServer } from "./access.ts";
import { environmentProxy } from "./environment_proxy.ts";
import type { Cluster as ClusterEntry, KubeConfig, User } from "@kubernetes/client-node";
import type { RequestOptions } from "node:https";

/** A plugin may open a browser and wait for a person to log in. */
const CREDENTIALS_TIMEOUT_MS = 120_000;

export interface KubeconfigOptions {
  /** A kubeconfig file; else those that $KUBECONFIG lists, else ~/.kube/config. */
  kubeconfig?: string;
}

/** One context of the kubeconfig. */
export interface Context {
  readonly name: string;
  readonly cluster: string;
  readonly user: string;
  readonly namespace: string;
  readonly server: string;
  readonly current: boolean;
}

/** The contexts of the kubeconfig, in its order. @throws KubeconfigError when it can't be read. */
export async function contexts(options: KubeconfigOptions = {}): Promise<Context[]> {
  const config = await load(options);
  return config.contexts.map(({ name, cluster, user, namespace }) => ({
    name,
    cluster,
    user: user ?? "",
    namespace: namespace || "default",
    server: config.getCluster(cluster)?.server ?? "",
    current: name === config.currentContext,
  }));
}

/** The kubeconfig is missing, broken, or doesn't say what is needed. */
export class KubeconfigError extends Error {
  override name = "KubeconfigError";
}

/**
 * A cluster of the kubeconfig and its user's credentials, read as `@kubernetes/client-node` reads them: merged files,
 * client certificates, tokens, exec plugins, OIDC. The library is loaded when this is called (0.25 s), not before.
 *
 * @param options.context defaults to the current one.
 * @param options.reuseMs milliseconds for which an access is given again without looking whether it has expired; a refused one is renewed
 * at once all the same.
 * @throws KubeconfigError when the kubeconfig can't be read or has no such context.
 */
export async function clusterAccess(
  options: KubeconfigOptions & { context?: string; reuseMs?: number } = {},
): Promise<Cluster> {
  const { reuseMs = 10_000 } = options;
  const source = await open(options);
  const { context, entry } = source;
  const { caCerts } = serverOf(entry);
  let current: { source: Opened; access: Promise<ApiServerAccess>; at: number } | undefined;
  return {
    context: context.name,
    server: entry.server,
    namespace: context.namespace || "default",
    user: context.user ?? "",
    caHash: await certificatesHash(caCerts.join("\n")),
    async access({ renew = false } = {}) {
      if (current && !renew && performance.now() - current.at < reuseMs) return await current.access;
      // Refused credentials are read anew from the file: somebody may have logged in again. A plugin runs again too.
      const from = renew ? await open({ ...options, context: context.name }) : current?.source ?? source;
      const access = accessOf(from);
      const mine = current = { source: from, access, at: performance.now() };
      try {
        return await access;
      } catch (error) {
        if (current === mine) current = undefined;
        throw error;
      }
    },
  };
}

interface Opened {
  readonly config: KubeConfig;
  readonly context: { name: string; cluster: string; user?: string; namespace?: string };
  readonly entry: ClusterEntry;
  readonly user: User | null;
}

async function open(options: KubeconfigOptions & { context?: string }): Promise<Opened> {
  const config = await load(options);
  const name = options.context ?? config.currentContext;
  const context = name ? config.contexts.find((each) => each.name === name) : undefined;
  if (!context) {
    const known = config.contexts.map((each) => each.name).join(", ") || "none";
    throw new KubeconfigError(
      name
        ? `The kubeconfig has no context "${name}". It has: ${known}.`
        : `The kubeconfig has no current context. Choose one with --context or \`kubectl config use-context\`. It has: ${known}.`,
    );
  }
  const entry = config.getCluster(context.cluster);
  if (!entry) {
    throw new KubeconfigError(
      `The context "${context.name}" is of cluster "${context.cluster}", which the kubeconfig doesn't have.`,
    );
  }
  config.setCurrentContext(context.name);
  return { config, context, entry, user: context.user ? config.getUser(context.user) : null };
}

/**
 * Files are merged by kubectl's rules, which client-node's own merging doesn't follow: the first to say something wins,
 * also for the current context, and a file of $KUBECONFIG that doesn't exist is passed over.
 */
async function load(options: KubeconfigOptions): Promise<KubeConfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
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

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function serverOf(entry: ClusterEntry): Omit<ApiServerAccess, "headers" | "cert" | "key"> {
  const server = parseServer(entry.server);
  const proxyUrl = entry.proxyUrl || environmentProxy(server, (name) => Deno.env.get(name));
  return {
    ...server,
    caCerts: readCa(entry),
    ...(entry.tlsServerName ? { servername: entry.tlsServerName } : {}),
    ...(entry.skipTLSVerify && server.tls ? { insecure: true } : {}),
    ...(proxyUrl ? { proxyUrl } : {}),
  };
}

function readCa(entry: ClusterEntry): string[] {
  try {
    if (entry.caFile) return [Deno.readTextFileSync(entry.caFile)];
    if (entry.caData) return [atob(entry.caData)];
  } catch (cause) {
    throw new KubeconfigError(
      `Can't read the CA of cluster "${entry.name}" (${entry.caFile ?? "certificate-authority-data"}): ` +
        messageOf(cause),
      { cause },
    );
  }
  return [];
}

async function accessOf({ config, context, entry, user }: Opened): Promise<ApiServerAccess> {
  const server = serverOf(entry);
  const options: RequestOptions & { auth?: string } = {};
  if (user?.exec) tellPlugin(user.exec, entry, server);
  // What client-node adds for its own connections isn't used here, and it refuses plain HTTP unless told not to check.
  const { proxyUrl, skipTLSVerify } = entry;
  Object.assign(entry, { proxyUrl: undefined, skipTLSVerify: skipTLSVerify || !server.tls });
  try {
    await deadline(config.applyToHTTPSOptions(options), CREDENTIALS_TIMEOUT_MS);
  } catch (cause) {
    const plugin = user?.exec?.command ? ` from the plugin "${user.exec.command}"` : "";
    throw new KubeconfigError(
      `Can't get credentials of user "${context.user}" (context "${context.name}")${plugin}: ${
        messageOf(cause)
      }. ` +
        "Try `kubectl get --raw /version` in a terminal: it may want you to log in.",
      { cause },
    );
  } finally {
    Object.assign(entry, { proxyUrl, skipTLSVerify });
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (typeof value === "string") headers[name.toLowerCase()] = value.trim();
  }
  if (options.auth && !headers.authorization) headers.authorization = `Basic ${btoa(options.auth)}`;
  const cert = pemOf(options.cert);
  const key = pemOf(options.key);
  return { ...server, headers, ...(cert && key ? { cert, key } : {}) };
}

/**
 * An exec plugin learns by KUBERNETES_EXEC_INFO which version of its protocol is spoken, and may not ask
 * anybody anything (there is no terminal): client.authentication.k8s.io ExecCredential. client-node leaves it out.
 */
function tellPlugin(exec: unknown, entry: ClusterEntry, server: Pick<ApiServerAccess, "caCerts">): void {
  if (typeof exec !== "object" || exec === null) return;
  const plugin = exec as {
    apiVersion?: unknown;
    env?: { name: string; value: string }[];
    provideClusterInfo?: unknown;
  };
  const name = "KUBERNETES_EXEC_INFO";
  if (plugin.env?.some((each) => each.name === name)) return;
  const cluster = {
    server: entry.server,
    ...(server.caCerts.length ? { "certificate-authority-data": btoa(server.caCerts.join("\n")) } : {}),
    ...(entry.tlsServerName ? { "tls-server-name": entry.tlsServerName } : {}),
    ...(entry.skipTLSVerify ? { "insecure-skip-tls-verify": true } : {}),
    ...(entry.proxyUrl ? { "proxy-url": entry.proxyUrl } : {}),
  };
  const info = {
    apiVersion: typeof plugin.apiVersion === "string" ? plugin.apiVersion : "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: { interactive: false, ...(plugin.provideClusterInfo === true ? { cluster } : {}) },
  };
  plugin.env = [...(plugin.env ?? []), { name, value: JSON.stringify(info) }];
}

function pemOf(value: unknown): string | undefined {
  if (typeof value === "string") return value || undefined;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined;
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().split("\n").slice(0, 5).join("; ").slice(0, 500);
}
