import { withTimeout } from "../../async/timeout.ts";
import { type ApiServerAccess, certificatesHash, type ClusterAccess, parseServer } from "../client/access.ts";
import { environmentProxy, fetchTakesProxy } from "./environment_proxy.ts";
import { tellPlugin } from "./exec_plugin.ts";
import {
  KubeconfigError,
  type KubeconfigOptions,
  loadKubeconfig,
  messageOf,
  NoSuchContext,
} from "./kubeconfig_files.ts";
import type { Cluster as ClusterEntry, KubeConfig, User } from "@kubernetes/client-node";
import type { RequestOptions } from "node:https";

/** Milliseconds for an exec plugin, which may open a browser and wait for a person to log in. */
const CREDENTIALS_TIMEOUT_MS = 120_000;

export { KubeconfigError, type KubeconfigOptions, NoSuchContext };

/** One context of the kubeconfig. */
export interface Context {
  readonly name: string;
  readonly cluster: string;
  readonly user: string;
  readonly namespace: string;
  readonly server: string;
  readonly current: boolean;
}

/** Lists the contexts of the kubeconfig, in its order. @throws {KubeconfigError} when it can't be read */
export async function contexts(options: KubeconfigOptions = {}): Promise<Context[]> {
  const config = await loadKubeconfig(options);
  return config.contexts.map(({ name, cluster, user, namespace }) => ({
    name,
    cluster,
    user: user ?? "",
    namespace: namespace || "default",
    server: config.getCluster(cluster)?.server ?? "",
    current: name === config.currentContext,
  }));
}

/**
 * Opens a cluster of the kubeconfig with its user's credentials, read as `@kubernetes/client-node` reads them: merged files,
 * client certificates, tokens, exec plugins, OIDC. The library is loaded when this is called (0.25 s), not before.
 *
 * @param options.context defaults to the current one.
 * @param options.reuseMs milliseconds for which an access is reused without a check whether it has expired; a refused one is renewed
 * at once anyway
 * @throws KubeconfigError when the kubeconfig can't be read, NoSuchContext when it has no such context.
 */
export async function clusterAccess(
  options: KubeconfigOptions & { context?: string; reuseMs?: number } = {},
): Promise<ClusterAccess> {
  const { reuseMs = 10_000 } = options;
  let source = await open(options);
  const { context, entry, server: { caCerts, proxyUrl } } = source;
  let renewing: Promise<ApiServerAccess> | undefined;
  let current: { access: Promise<ApiServerAccess>; at: number } | undefined;
  return {
    context: context.name,
    server: entry.server,
    namespace: context.namespace || "default",
    user: context.user ?? "",
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
    caHash: await certificatesHash(caCerts.join("\n")),
    async access({ renew = false } = {}) {
      if (renew) {
        // Many requests may be refused at the same moment: they share one renewal.
        renewing ??= renewed().finally(() => renewing = undefined);
        return await renewing;
      }
      if (current && performance.now() - current.at < reuseMs) return await current.access;
      return await take();
    },
  };

  /** Reads the file again, since the user may have logged in again; a plugin runs again too. */
  async function renewed(): Promise<ApiServerAccess> {
    source = await open({ ...options, context: context.name });
    return await take();
  }

  async function take(): Promise<ApiServerAccess> {
    // All requests wait for this one: a plugin may take minutes until a person has logged in.
    const mine = current = { access: accessOf(source), at: Infinity };
    try {
      const access = await mine.access;
      mine.at = performance.now();
      return access;
    } catch (error) {
      if (current === mine) current = undefined;
      throw error;
    }
  }
}

interface Opened {
  readonly config: KubeConfig;
  readonly context: { name: string; cluster: string; user?: string; namespace?: string };
  readonly entry: ClusterEntry;
  readonly user: User | null;
  readonly server: Omit<ApiServerAccess, "headers" | "cert" | "key">;
}

async function open(options: KubeconfigOptions & { context?: string }): Promise<Opened> {
  const config = await loadKubeconfig(options);
  const name = options.context ?? config.currentContext;
  const context = name ? config.contexts.find((each) => each.name === name) : undefined;
  if (!context) {
    const known = config.contexts.map((each) => each.name).join(", ");
    throw new NoSuchContext(
      known === ""
        ? "The kubeconfig has no contexts. Choose another file with --kubeconfig or KUBECONFIG."
        : name
        ? `The kubeconfig has no context "${name}". It has: ${known}.`
        : `The kubeconfig has no current context. Choose one with --context or \`kubectl config use-context\`. It has: ${known}.`,
    );
  }
  const entry = config.getCluster(context.cluster);
  if (!entry) {
    throw new KubeconfigError(
      `The context "${context.name}" names the cluster "${context.cluster}", which the kubeconfig doesn't have.`,
    );
  }
  config.setCurrentContext(context.name);
  const user = context.user ? config.getUser(context.user) : null;
  const server = serverOf(entry);
  if (user?.exec) tellPlugin(user.exec, entry, server);
  // client-node's own connections aren't used here, and it refuses plain HTTP unless skipTLSVerify is set.
  Object.assign(entry, { proxyUrl: undefined, skipTLSVerify: entry.skipTLSVerify || !server.tls });
  return { config, context, entry, user, server };
}

function serverOf(entry: ClusterEntry): Omit<ApiServerAccess, "headers" | "cert" | "key"> {
  const server = parseServer(entry.server);
  const env = (name: string) => Deno.env.get(name);
  const proxyUrl = entry.proxyUrl || environmentProxy(server, env);
  return {
    ...server,
    caCerts: readCa(entry),
    ...(entry.tlsServerName ? { servername: entry.tlsServerName } : {}),
    ...(entry.skipTLSVerify && server.tls ? { insecure: true } : {}),
    ...(proxyUrl ? { proxyUrl } : fetchTakesProxy(server, env) ? { evadesFetchProxy: true } : {}),
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

async function accessOf({ config, context, user, server }: Opened): Promise<ApiServerAccess> {
  const options: RequestOptions & { auth?: string } = {};
  try {
    await withTimeout(config.applyToHTTPSOptions(options), CREDENTIALS_TIMEOUT_MS);
  } catch (cause) {
    const plugin = user?.exec?.command ? ` from the plugin "${user.exec.command}"` : "";
    const whose = `user "${context.user}" (context "${context.name}")`;
    throw new KubeconfigError(
      `Can't get credentials of ${whose}${plugin}: ${messageOf(cause)}. ` +
        "Try `kubectl get --raw /version` in a terminal: it may want you to log in.",
      { cause },
    );
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (typeof value === "string") headers[name.toLowerCase()] = value.trim();
  }
  if (options.auth && !headers.authorization) headers.authorization = `Basic ${btoa(options.auth)}`;
  const cert = pemOf(options.cert);
  const key = pemOf(options.key);
  for (
    const [pem, label, what] of [[cert, "CERTIFICATE", "certificate"], [key, "PRIVATE KEY", "key"]] as const
  ) {
    if (pem === undefined || isPem(pem, label)) continue;
    throw new KubeconfigError(
      `The client ${what} of user "${context.user}" (context "${context.name}") is not valid PEM.`,
      { hint: "log in to the cluster again, or correct the user in the kubeconfig" },
    );
  }
  return { ...server, headers, ...(cert && key ? { cert, key } : {}) };
}

function pemOf(value: unknown): string | undefined {
  if (typeof value === "string") return value || undefined;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined;
}

/** Whether the text has a PEM section whose label ends so, with base64 inside (RFC 7468). */
function isPem(text: string, label: string): boolean {
  const section = new RegExp(
    `-----BEGIN (?:[A-Z ]+ )?${label}-----([^]*?)-----END (?:[A-Z ]+ )?${label}-----`,
  ).exec(text);
  // RFC 1421 headers of an old key, "Proc-Type: 4,ENCRYPTED", end at an empty line.
  const body = section?.[1]?.split(/\r?\n\r?\n/).at(-1)?.replace(/\s/g, "") ?? "";
  return /^[A-Za-z0-9+/]+={0,2}$/.test(body) && body.length % 4 === 0;
}
