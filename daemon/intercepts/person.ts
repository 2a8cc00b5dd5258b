import type { Api } from "../../kube/client/api.ts";
import { clusterUser } from "../../kube/client/cluster_user.ts";
import type { ClusterName } from "../../wire/control.ts";
import type { Person } from "./session.ts";

/**
 * Who this is: the user as the cluster names it (SelfSubjectReview, 1.28; before it the kubeconfig's name), and the
 * laptop. Two contexts may lead to one cluster: the mark tells them apart too, so that each has a session of its own.
 */
export async function person(api: Api, cluster: Pick<ClusterName, "context" | "user">): Promise<Person> {
  const machine = Deno.hostname();
  const user = await clusterUser(api) ?? cluster.user;
  const identity = [machineId(), machine, Deno.uid(), user, cluster.context].join("\n");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(identity)));
  return { user, machine, mark: digest.toHex().slice(0, 10) };
}

/** Unique to an installation (`man 5 machine-id`), and not to be shown: only its hash leaves this file. */
function machineId(): string {
  try {
    return Deno.readTextFileSync("/etc/machine-id").trim();
  } catch {
    return "";
  }
}
