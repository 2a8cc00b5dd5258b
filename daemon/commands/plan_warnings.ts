import { type Context, contexts } from "../../kube/config/kubeconfig.ts";
import type { ClusterName, PlanRequest, Warning } from "../../wire/control.ts";
import type { AgentComponent } from "../../wire/installer.ts";
import { UDP_TUNNEL_VERSION } from "../../wire/streams.ts";
import { lacks } from "./agents.ts";

/** What a command asks for and doesn't get, since the cluster is connected already. */
export function planWarnings(request: PlanRequest, connected: ClusterName): Warning[] {
  return [...contextWarning(request, connected), ...namespaceWarning(request, connected)];
}

/** Without a context the only connected cluster is meant, whatever the kubeconfig's current context is by now. */
function contextWarning(request: PlanRequest, connected: ClusterName): Warning[] {
  const { context, kubeconfig } = request;
  if (context !== undefined || kubeconfig !== undefined) return [];
  const current = contextsOrNone(request).find((one) => one.current)?.name;
  if (current === undefined || current === connected.context) return [];
  return [{
    message: `${connected.context} is meant, since it is connected; the current context is ${current}`,
    hint: `to choose that one: --context ${current}`,
  }];
}

function contextsOrNone({ environment }: PlanRequest): Context[] {
  try {
    return contexts(environment ? { environment } : {});
  } catch {
    return []; // no warning: without a kubeconfig nothing else was meant
  }
}

/** The namespace of a connection is that of the `up` that made it. */
function namespaceWarning(
  { mode, namespace }: PlanRequest,
  { context, namespace: own }: ClusterName,
): Warning[] {
  if (mode === "intercept" || namespace === undefined || namespace === own) return [];
  return [{
    message: `${context} is connected already, with the namespace ${own}: -n ${namespace} changes nothing`,
    hint: `to change it: pmz down --context ${context}, then pmz up --context ${context} -n ${namespace}`,
  }];
}

/** What the agents that are there, and stay, can't do. */
export function agentWarnings(agent: readonly AgentComponent[]): Warning[] {
  const withoutUdp = agent.some((one) =>
    one.component === "gateway" && one.state !== "absent" && lacks(one, { tunnel: UDP_TUNNEL_VERSION })
  );
  if (!withoutUdp) return [];
  return [{
    message: "the gateway in the cluster is older than this pmz, and carries no UDP",
    hint: "to update it, for everybody: pmz agent deploy",
  }];
}
