import { hostOf, parseServer, withoutUser } from "../kube/client/access.ts";
import { environmentProxy } from "../kube/config/environment_proxy.ts";
import { type Check, failed, ok } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Proxies that pmz can reach an API server by (kube/client/proxy.ts). */
const kinds: readonly string[] = ["http:", "https:", "socks5:", "socks5h:"];

/** By which proxy the API server is reached, and whether pmz can use it. */
export const apiProxy: Check<Pick<CheckParts, "cluster" | "env">> = {
  id: "api-proxy",
  title: "Proxy of the API server",
  severity: "failed",
  needs: ["kubeconfig"],
  remedy: "Look at HTTPS_PROXY and NO_PROXY: env | grep -i proxy.",
  run: async ({ cluster, env }) => {
    const { cluster: { server }, proxyUrl } = await cluster();
    const place = parseServer(server);
    if (proxyUrl === undefined) {
      const ignored = env.get("ALL_PROXY") || env.get("all_proxy")
        ? " ALL_PROXY is not for API servers: kubectl and pmz leave it to other programs."
        : "";
      return [ok(`${hostOf(place)} is reached without a proxy.${ignored}`)];
    }
    const found = environmentProxy(place, (name) => env.get(name));
    const source = found?.url === proxyUrl ? found.variable : "the kubeconfig";
    const protocol = URL.canParse(proxyUrl) ? new URL(proxyUrl).protocol : undefined;
    if (protocol !== undefined && kinds.includes(protocol)) {
      return [ok(`${hostOf(place)} is reached through ${withoutUser(proxyUrl)}, as ${source} says.`)];
    }
    const what = protocol === undefined
      ? "not a valid URL"
      : `of the kind ${protocol}//, which pmz can't use`;
    return [
      failed(`The proxy in ${source} is ${what}.`, "Use http://, https://, socks5:// or socks5h://."),
    ];
  },
};
