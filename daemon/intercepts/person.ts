import type { Api } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
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

async function clusterUser(api: Api): Promise<string | undefined> {
  try {
    const review = await api.json("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
      what: "ask who I am",
    });
    const { status } = review as { status?: { userInfo?: { username?: unknown } } };
    const name = status?.userInfo?.username;
    return typeof name === "string" && name !== "" ? name : undefined;
  } catch (error) {
    if (error instanceof ApiError && error.status >= 400) return undefined;
    throw error;
  }
}

/** Unique to an installation (`man 5 machine-id`), and not to be shown: only its hash leaves this file. */
function machineId(): string {
  try {
    return Deno.readTextFileSync("/etc/machine-id").trim();
  } catch {
    return "";
  }
}
