import { hostOf, parseServer } from "../kube/client/access.ts";
import { environmentProxy } from "../kube/config/environment_proxy.ts";
import type { Finding } from "../wire/doctor.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import type { CheckParts, Environment } from "./parts.ts";

/** Proxies that pmz can reach an API server by (kube/client/proxy.ts). */
const kinds: readonly string[] = ["http:", "https:", "socks5:", "socks5h:"];
/** A name as pmz answers it: what a program would do with it is what matters here. */
const SERVICE = { tls: false, hostname: "service.namespace.svc", port: 80 };
/** Domains of a cluster, as NO_PROXY has them. */
const EXCEPTIONS = ".svc,.cluster.local";

/** Which proxy is used for the API server, and whether programs send requests for a cluster's names to one. */
export const proxies: Check<Pick<CheckParts, "cluster" | "env">> = {
  id: "proxies",
  title: "Proxies",
  severity: "failed",
  needs: ["kubeconfig"],
  remedy: "Look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY: env | grep -i proxy.",
  run: async (parts) => {
    const { cluster, proxyUrl } = await parts.cluster();
    return [...judgeServerProxy(cluster.server, proxyUrl, parts.env), ...judgeServiceProxy(parts.env)];
  },
};

function judgeServerProxy(server: string, proxyUrl: string | undefined, env: Environment): Finding[] {
  const place = parseServer(server);
  if (proxyUrl === undefined) return [ok(`The API server ${hostOf(place)} is reached without a proxy.`)];
  const variable = place.tls ? "HTTPS_PROXY" : "HTTP_PROXY";
  const source = environmentProxy(place, (name) => env.get(name)) === proxyUrl ? variable : "the kubeconfig";
  const url = URL.canParse(proxyUrl) ? new URL(proxyUrl) : undefined;
  if (!url || !kinds.includes(url.protocol)) {
    const saw = url
      ? `The proxy in ${source} is of the kind ${url.protocol}//`
      : `The proxy in ${source} is not a URL`;
    return [failed(`${saw}, which pmz can't use.`, "Use http://, https://, socks5:// or socks5h://.")];
  }
  return [ok(`The API server ${hostOf(place)} is reached through ${withoutUser(url)}, as ${source} says.`)];
}

function judgeServiceProxy(env: Environment): Finding[] {
  const proxy = environmentProxy(SERVICE, (name) => env.get(name));
  if (proxy === undefined) return [];
  const before = env.get("NO_PROXY") || env.get("no_proxy");
  const value = before ? `${before},${EXCEPTIONS}` : EXCEPTIONS;
  const url = URL.canParse(proxy) ? withoutUser(new URL(proxy)) : "it";
  return [
    warning(
      `HTTP_PROXY is set: curl and other programs ask the proxy ${url} for names of a cluster, which it doesn't know.`,
      `export NO_PROXY=${value} no_proxy=${value}`,
    ),
  ];
}

/** The proxy without the password that its URL may have. */
function withoutUser(url: URL): string {
  return `${url.protocol}//${url.host}`;
}
