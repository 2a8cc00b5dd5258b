import { type ClusterAccess, withoutUser } from "../kube/client/access.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { KubeconfigError } from "../kube/config/kubeconfig_error.ts";
import { type Check, failed, ok, sentence } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** A server may be far away, and a plugin may have to fetch credentials from elsewhere. */
const LIMIT_MS = 15_000;

/** Whether the API server answers, as the one that the kubeconfig means and with its credentials. */
export const apiServer: Check<Pick<CheckParts, "cluster">> = {
  id: "api-server",
  title: "API server",
  severity: "failed",
  needs: ["kubeconfig"],
  remedy: "Run `kubectl get --raw /version`: it has to work first, and may want you to log in.",
  limitMs: LIMIT_MS,
  run: async (parts) => {
    const { cluster, proxyUrl, version } = await parts.cluster();
    const begun = performance.now();
    try {
      const says = await version();
      const ms = Math.round(performance.now() - begun);
      return [ok(`${cluster.server} answers in ${ms} ms: Kubernetes ${says}.`)];
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof KubeconfigError)) throw error;
      return [failed(error.message, await remedyOf(error, cluster, proxyUrl))];
    }
  },
};

async function remedyOf(
  error: ApiError | KubeconfigError,
  cluster: ClusterAccess,
  proxyUrl: string | undefined,
): Promise<string> {
  const { context } = cluster;
  const kubectl = `kubectl --context ${context} get --raw /version`;
  if (error instanceof KubeconfigError && error.hint !== undefined) return sentence(error.hint);
  if (error instanceof KubeconfigError) return `Run \`${kubectl}\`: it may want you to log in.`;
  if (error.status === 401) return `Log in again, until \`${kubectl}\` works.`;
  if (error.reason === "Certificate" && (await cluster.access()).trustsSystem) {
    return "Get a kubeconfig with the cluster's CA, or name the file of the CA in SSL_CERT_FILE.";
  }
  if (error.reason === "Certificate") {
    return "Get a kubeconfig of this cluster: the certificate of its API server may have been replaced.";
  }
  const proxy = proxyUrl === undefined
    ? ""
    : ` It is reached through ${withoutUser(proxyUrl)}: pmz doctor api-proxy`;
  return `Make \`${kubectl}\` work first.${proxy}`;
}
