import { KubeconfigError, NoSuchContext } from "../kube/config/kubeconfig_error.ts";
import { type Check, failed, ok, sentence } from "./check.ts";
import type { CheckParts } from "./parts.ts";

const REMEDY = "Make `kubectl config view` work first; KUBECONFIG or --kubeconfig names the file.";

/** Whether the kubeconfig can be read, and has the context that is meant with its cluster. */
export const kubeconfig: Check<Pick<CheckParts, "cluster">> = {
  id: "kubeconfig",
  title: "Kubeconfig",
  severity: "failed",
  needs: [],
  remedy: REMEDY,
  run: async (parts) => {
    try {
      const { cluster, namespace } = await parts.cluster();
      const { context, server, user } = cluster;
      return [ok(`Context ${context}: ${server}, namespace ${namespace}, user ${user || "none"}.`)];
    } catch (error) {
      if (error instanceof NoSuchContext) {
        return [
          failed(error.message, "`kubectl config get-contexts` shows them. Choose one with --context."),
        ];
      }
      if (error instanceof KubeconfigError) return [failed(error.message, remedyOf(error))];
      if (error instanceof TypeError) return [failed(error.message, REMEDY)];
      throw error;
    }
  },
};

function remedyOf({ hint }: KubeconfigError): string {
  return hint === undefined ? REMEDY : sentence(hint);
}
