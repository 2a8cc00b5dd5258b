import type { Api } from "../kube/client/api.ts";
import { reviewAccess } from "../kube/client/access_review.ts";
import type { Finding } from "../wire/doctor.ts";
import type { AgentComponent, Component } from "../wire/installer.ts";
import { GATEWAY_NAMESPACE, NODE_NAMESPACE } from "../wire/places.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import { connectedClusters } from "./connected_clusters.ts";
import type { CheckParts } from "./parts.ts";

const titles: Readonly<Record<Component, string>> = { gateway: "The gateway", node: "The node agent" };
const namespaces: Readonly<Record<Component, string>> = { gateway: GATEWAY_NAMESPACE, node: NODE_NAMESPACE };

/** Whether pmz's agents are in the cluster, ready, and of a version that this pmz speaks with. */
export const agent: Check<Pick<CheckParts, "cluster" | "agents" | "daemon">> = {
  id: "agent",
  title: "Agent",
  severity: "failed",
  needs: ["api-server"],
  remedy: "Run `pmz agent status`.",
  limitMs: 10_000,
  run: async (parts, signal) => {
    const { api, cluster } = await parts.cluster();
    const components = await parts.agents(api);
    const isUsed = connectedClusters(await parts.daemon()).some((one) =>
      one.cluster.context === cluster.context
    );
    const findings = components.map(async (component) =>
      component.state === "absent" && component.component === "gateway"
        ? await judgeAbsent(api, isUsed, signal)
        : judge(component)
    );
    return await Promise.all(findings);
  },
};

function judge({ component, state, why, image, ours, outdated, pods }: AgentComponent): Finding {
  const title = titles[component];
  switch (state) {
    case "absent":
      return ok(`${title} is not installed: the first \`pmz intercept\` asks, and installs it.`);
    case "ready": {
      const release = ours === false ? ", another release that speaks this one's protocols" : "";
      const update = outdated ? " It is older, and lacks what is new: pmz agent deploy updates it." : "";
      return ok(`${title} is ready in ${pods?.ready} of ${pods?.all} pods (${image})${release}.${update}`);
    }
    case "unknown":
      return warning(
        `${title} could not be looked at: ${why}.`,
        `Ask for the role ${component === "gateway" ? "pmz-use" : "pmz-intercept"} in namespace ${
          namespaces[component]
        }.`,
      );
    case "starting":
      return failed(
        `${title} is ready in ${pods?.ready} of ${pods?.all} pods: ${why}.`,
        `Look at its pods: kubectl -n ${namespaces[component]} describe pods`,
      );
    case "incompatible":
      return failed(
        `${title} speaks another version of the protocol: ${why}.`,
        why?.includes("newer") ? "Update pmz." : "Replace it, for everybody: pmz agent deploy --force",
      );
  }
}

/** Before `up`, a missing gateway is a failure only for a user who may not install it. */
async function judgeAbsent(api: Api, isUsed: boolean, signal: AbortSignal): Promise<Finding> {
  const saw = "The gateway is not installed in this cluster";
  const [mayInstall] = await reviewAccess(
    api,
    [{ verb: "create", resource: "deployments", group: "apps", namespace: GATEWAY_NAMESPACE }],
    { signal },
  );
  if (!mayInstall?.allowed) {
    const remedy = "Ask an administrator of the cluster: pmz agent manifests | kubectl apply -f -";
    return failed(`${saw}, and you may not install it.`, remedy);
  }
  if (isUsed) return failed(`${saw}, though pmz is up: somebody deleted it.`, "Install it: pmz agent deploy");
  return warning(`${saw}.`, "`pmz up` asks, and installs it. So does: pmz agent deploy");
}
