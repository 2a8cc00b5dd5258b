import { type ApiServerAccess, parseServer } from "../client/access.ts";
import { type CommandEnvironment, variablesOf } from "./command_environment.ts";
import type { ClusterEntry } from "./entries.ts";
import { environmentProxy } from "./environment_proxy.ts";
import { KubeconfigError, messageOf } from "./kubeconfig_error.ts";
import { systemRoots } from "./system_roots.ts";

/** How an API server is reached, without whom it is reached as. */
export type Server = Omit<ApiServerAccess, "headers" | "cert" | "key">;

/**
 * How a cluster's API server is reached: by which certificates, name and proxy.
 *
 * @throws {KubeconfigError} when its URL, its CA or its proxy is not valid
 */
export function serverOf(cluster: ClusterEntry, environment: CommandEnvironment): Server {
  const server = parseServer(withScheme(cluster.server));
  const read = variablesOf(environment);
  const ca = server.tls ? caOf(cluster) : "";
  const proxy = cluster.proxyUrl === ""
    ? environmentProxy(server, read)
    : { url: cluster.proxyUrl, variable: "proxy-url" };
  if (proxy) checkProxy(proxy.url, proxy.variable);
  return {
    ...server,
    ...(server.tls || proxy?.url.startsWith("https:")
      ? trust(cluster, ca, () => systemRoots(read))
      : { caCerts: [] }),
    ...(cluster.serverName && server.tls ? { servername: cluster.serverName } : {}),
    ...(proxy ? { proxyUrl: proxy.url, proxySource: proxy.variable } : {}),
    ...evasion(proxy !== undefined),
  };
}

const bothCases = (...names: string[]) => names.flatMap((name) => [name, name.toLowerCase()]);

/** What Deno's fetch takes a proxy from by itself: ALL_PROXY too, and for loopback addresses as well. */
const namingProxies = bothCases("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY");
/** What keeps Deno's fetch from the proxy that it is given, though kubectl's `proxy-url` has no exceptions. */
const namingExceptions = bothCases("NO_PROXY");
/** What Deno's fetch goes by, whatever a kubeconfig says. */
export const proxyVariables: readonly string[] = [...namingProxies, ...namingExceptions];

function evasion(hasProxy: boolean): Pick<Server, "evadesFetchProxy"> {
  const misleading = hasProxy ? namingExceptions : namingProxies;
  return misleading.some((name) => Deno.env.get(name)) ? { evadesFetchProxy: true } : {};
}

/** The kubeconfig's CA as PEM; empty without one. @throws {KubeconfigError} */
export function caOf({ name, caFile, caData }: ClusterEntry): string {
  if (caFile === "" && caData === "") return "";
  const where = caFile || "certificate-authority-data";
  let pem: string;
  try {
    pem = caData !== "" ? atob(caData) : Deno.readTextFileSync(caFile);
  } catch (cause) {
    throw new KubeconfigError(`Can't read the CA of cluster "${name}" (${where}): ${messageOf(cause)}`, {
      cause,
    });
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw new KubeconfigError(
    `The CA of cluster "${name}" (${where}) is not valid: expected certificates in PEM`,
  );
}

function trust({ insecure }: ClusterEntry, ca: string, roots: () => string[]) {
  if (insecure) return { caCerts: [], insecure: true };
  return ca === "" ? { caCerts: roots(), trustsSystem: true } : { caCerts: [ca] };
}

/** kubectl takes a host without a scheme for one of plain HTTP. */
export function withScheme(server: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(server) ? server : `http://${server}`;
}

function checkProxy(url: string, source: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : "";
  if (["http:", "https:", "socks5:"].includes(protocol)) return;
  if (protocol === "socks5h:" && source !== "proxy-url") return;
  throw new KubeconfigError(
    `The proxy that ${source} names is not a valid proxy: expected http://, https:// or socks5://`,
    {
      hint: source === "proxy-url"
        ? "correct proxy-url in the kubeconfig"
        : `correct it, or: unset ${source}`,
    },
  );
}
