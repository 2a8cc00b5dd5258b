import type { Api } from "../../kube/client/api.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import { resources } from "../../kube/client/resources.ts";
import type { Topology } from "./topology.ts";

/** The API server has this long to say whether a namespace exists, in milliseconds. */
const ASK_TIMEOUT_MS = 2_000;

/** Whether a namespace is known not to exist: it may not be asked for, or the API server may not answer. */
export async function isNamespaceMissing(
  { api, topology }: { readonly api: Pick<Api, "get">; readonly topology: Topology },
  name: string,
): Promise<boolean> {
  if (topology.services.values().some(({ namespace }) => namespace === name)) return false;
  if (topology.pods.values().some(({ namespace }) => namespace === name)) return false;
  try {
    await api.get(resources.namespaces, { name }, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    return false;
  } catch (error) {
    return ApiError.is(error, "NotFound");
  }
}
