import type { Api } from "../../kube/client/api.ts";
import { clusterUser } from "../../kube/client/cluster_user.ts";
import type { ClusterName } from "../../wire/control.ts";
import type { Person } from "./session.ts";

/**
 * The user as the cluster names it (SelfSubjectReview, since 1.28; before that the kubeconfig's name), and the laptop. The mark also
 * tells apart two contexts of one cluster, so that each has a session of its own.
 */
export async function person(api: Api, cluster: Pick<ClusterName, "context" | "user">): Promise<Person> {
  const machine = Deno.hostname();
  const user = await clusterUser(api) ?? cluster.user;
  const identity = [machineId(), machine, Deno.uid(), user, cluster.context].join("\n");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity)));
  return { user, machine, mark: digest.toHex().slice(0, 10) };
}

/** Unique to an installation and confidential (`man 5 machine-id`): only its hash leaves this file. */
function machineId(): string {
  try {
    return Deno.readTextFileSync("/etc/machine-id").trim();
  } catch {
    return "";
  }
}
