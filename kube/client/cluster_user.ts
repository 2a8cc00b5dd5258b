import type { Api, Call } from "./api.ts";
import { ApiError } from "./api_error.ts";

/**
 * The present user's name as the cluster knows it (SelfSubjectReview, Kubernetes 1.28); undefined where the cluster
 * doesn't say.
 *
 * @throws ApiError when there is no answer.
 */
export async function clusterUser(api: Api, call: Call = {}): Promise<string | undefined> {
  try {
    const review = await api.json("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      ...call,
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
