import { withoutUser } from "../kube/client/access.ts";
import { isExcepted, proxyUrlOf } from "../kube/config/environment_proxy.ts";
import { type Check, ok, warning } from "./check.ts";
import { hostIn, noProxyDomains } from "./no_proxy_domains.ts";
import type { CheckParts } from "./parts.ts";

/** Names that are told; more are counted. */
const NAMED = 3;
/** What curl and other programs take a proxy from: for plain HTTP, for TLS, and for whatever the first two are not set for. */
const variables = [
  "HTTP_PROXY",
  "http_proxy",
  "HTTPS_PROXY",
  "https_proxy",
  "ALL_PROXY",
  "all_proxy",
] as const;

/** Whether curl and other programs that follow the variables for a proxy ask one for a cluster's names that isn't pmz's. */
export const programProxy: Check<Pick<CheckParts, "env" | "resolver" | "served">> = {
  id: "program-proxy",
  title: "Proxy of programs",
  severity: "warning",
  needs: [],
  remedy: "Look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY: env | grep -i proxy.",
  limitMs: 10_000,
  run: async ({ env, resolver, served }) => {
    const none = [ok("No variable of this shell sends requests for a cluster's names to a proxy.")];
    const set = variables.flatMap((name) => {
      const value = env.get(name);
      return value ? [{ name, url: proxyUrlOf(value) }] : [];
    });
    if (set.length === 0) return none;
    const all = await served();
    const exceptions = noProxyDomains(all, await resolver());
    const missing = exceptions.filter((domain) =>
      !isExcepted({ hostname: hostIn(domain), port: 80 }, (name) => env.get(name))
    );
    if (missing.length === 0) return none;
    const { proxy } = all;
    const own = set.filter(({ url }) => leadsTo(proxy, url)),
      other = set.filter(({ url }) => !leadsTo(proxy, url));
    if (other.length === 0) return [ok(`${namesOf(own)} of this shell: pmz's own proxy at ${proxy}.`)];
    const places = [...new Set(other.map(({ url }) => withoutUser(url)))].join(", ");
    const [verb, them] = other.length === 1 ? ["is", "it"] : ["are", "them"];
    const saw =
      `${
        namesOf(other)
      } ${verb} set in this shell: curl and other programs that follow ${them} send requests ` +
      `for ${namesOfCluster(missing, exceptions)} to ${places}, which is not pmz.`;
    // NO_PROXY would keep programs from pmz's proxy as well.
    return [
      warning(saw, own.length > 0 ? exportOf(other, `http://${proxy}`) : exportExceptions(env, missing)),
    ];
  },
};

interface Variable {
  readonly name: string;
  readonly url: string;
}

/** Whether a proxy's URL has the address of pmz's own proxy. */
function leadsTo(served: string | undefined, url: string): boolean {
  if (served === undefined || !URL.canParse(url)) return false;
  const { hostname, port } = new URL(url);
  return `${hostname === "localhost" ? "127.0.0.1" : hostname}:${port || 80}` === served;
}

function namesOf(variables: readonly Variable[]): string {
  return variables.map(({ name }) => name).join(", ");
}

function exportOf(variables: readonly Variable[], value: string): string {
  return `export ${variables.map(({ name }) => `${name}=${value}`).join(" ")}`;
}

function exportExceptions(env: CheckParts["env"], missing: readonly string[]): string {
  const before = env.get("NO_PROXY") || env.get("no_proxy");
  const value = [...before ? [before] : [], ...missing].join(",");
  return `export NO_PROXY=${value} no_proxy=${value}`;
}

/** "a cluster's names", or some of them by name. */
function namesOfCluster(missing: readonly string[], all: readonly string[]): string {
  if (missing.length === all.length) return "a cluster's names";
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : "";
  return `some of a cluster's names (${missing.slice(0, NAMED).map(hostIn).join(", ")}${more})`;
}
