import type { Api } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { type InterceptRule, parseRule, ruleResource } from "../../wire/intercept.ts";

/** The cluster has this long to list them, in milliseconds: what is asked together with them is answered without them. */
const LIST_TIMEOUT_MS = 2_000;

/**
 * The rules of a cluster, of all users: of all namespaces, or of one where these credentials may not list more. None where there
 * are no rules, where they may not be listed, or where the cluster doesn't answer in time.
 */
export async function rulesOf(api: Api, namespace: string): Promise<InterceptRule[]> {
  const signal = AbortSignal.timeout(LIST_TIMEOUT_MS);
  try {
    return await listed(api, {}, signal).catch((error) => {
      if (ApiError.is(error, "Forbidden")) return listed(api, { namespace }, signal);
      throw error;
    });
  } catch {
    return [];
  }
}

async function listed(
  api: Api,
  selection: { namespace?: string },
  signal: AbortSignal,
): Promise<InterceptRule[]> {
  const { items } = await api.list(ruleResource, selection, { signal });
  return items.flatMap((item) => {
    try {
      return [parseRule(item)];
    } catch {
      return []; // of a pmz that is newer
    }
  });
}
