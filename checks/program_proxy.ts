import { environmentProxy } from "../kube/config/environment_proxy.ts";
import { type Check, ok, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";
import { withoutUser } from "./without_user.ts";

/** A name as pmz answers it, for what a program would do with it. */
const SERVICE = { tls: false, hostname: "service.namespace.svc", port: 80 };
/** Domains of a cluster, as NO_PROXY has them. */
const EXCEPTIONS = ".svc,.cluster.local";

/** Whether curl and other programs that follow HTTP_PROXY ask a proxy for a cluster's names. */
export const programProxy: Check<Pick<CheckParts, "env">> = {
  id: "program-proxy",
  title: "Proxy of programs",
  severity: "warning",
  needs: [],
  remedy: "Look at HTTP_PROXY and NO_PROXY: env | grep -i proxy.",
  run: ({ env }) => {
    const proxy = environmentProxy(SERVICE, (name) => env.get(name));
    if (proxy === undefined) {
      return Promise.resolve([
        ok("No variable of this shell sends requests for a cluster's names to a proxy."),
      ]);
    }
    const before = env.get("NO_PROXY") || env.get("no_proxy");
    const value = before ? `${before},${EXCEPTIONS}` : EXCEPTIONS;
    return Promise.resolve([
      warning(
        `HTTP_PROXY is set in this shell: curl and other programs ask ${
          withoutUser(proxy)
        } for names of a cluster, which it doesn't know.`,
        `export NO_PROXY=${value} no_proxy=${value}`,
      ),
    ]);
  },
};
