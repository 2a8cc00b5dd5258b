import { withoutUser } from "../kube/client/access.ts";
import { isExcepted, proxyUrlOf } from "../kube/config/environment_proxy.ts";
import { type Check, ok, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** A name as pmz answers it, for what a program would do with it. */
const SERVICE = { hostname: "service.namespace.svc", port: 80 };
/** Domains of a cluster, as NO_PROXY has them. */
const EXCEPTIONS = ".svc,.cluster.local";
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
export const programProxy: Check<Pick<CheckParts, "env" | "proxy">> = {
  id: "program-proxy",
  title: "Proxy of programs",
  severity: "warning",
  needs: [],
  remedy: "Look at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY: env | grep -i proxy.",
  limitMs: 10_000,
  run: async ({ env, proxy }) => {
    const set = isExcepted(SERVICE, (name) => env.get(name)) ? [] : variables.flatMap((name) => {
      const value = env.get(name);
      return value ? [{ name, url: proxyUrlOf(value) }] : [];
    });
    if (set.length === 0) {
      return [ok("No variable of this shell sends requests for a cluster's names to a proxy.")];
    }
    const served = await proxy();
    const own = set.filter(({ url }) => leadsTo(served, url)),
      other = set.filter(({ url }) => !leadsTo(served, url));
    if (other.length === 0) return [ok(`${namesOf(own)} of this shell: pmz's own proxy at ${served}.`)];
    const places = [...new Set(other.map(({ url }) => withoutUser(url)))].join(", ");
    const [verb, them] = other.length === 1 ? ["is", "it"] : ["are", "them"];
    const saw =
      `${
        namesOf(other)
      } ${verb} set in this shell: curl and other programs that follow ${them} send requests ` +
      `for a cluster's names to ${places}, which is not pmz.`;
    // NO_PROXY would keep programs from pmz's proxy as well.
    return [warning(saw, own.length > 0 ? exportOf(other, `http://${served}`) : exceptionsOf(env))];
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

function exceptionsOf(env: CheckParts["env"]): string {
  const before = env.get("NO_PROXY") || env.get("no_proxy");
  const value = before ? `${before},${EXCEPTIONS}` : EXCEPTIONS;
  return `export NO_PROXY=${value} no_proxy=${value}`;
}
