import type { Api } from "../client/api.ts";
import { ApiError } from "../client/api_error.ts";
import { resources } from "../client/resources.ts";
import { child, field, list, record } from "../objects/parse.ts";

/**
 * The names of the nodes that aren't ready; empty without the right to list nodes.
 * @throws {ApiError} @throws {ParseError}
 */
export async function unreadyNodes(api: Api, signal?: AbortSignal): Promise<Set<string>> {
  const unready = new Set<string>();
  try {
    for await (const { items } of api.pages(resources.nodes, {}, signal ? { signal } : {})) {
      for (const item of items) {
        const node = record(item, "node");
        const name = field(child(node, "metadata", "node"), "name");
        if (typeof name === "string" && !isReady(node)) unready.add(name);
      }
    }
    return unready;
  } catch (error) {
    if (ApiError.is(error, "Forbidden")) return new Set();
    throw error;
  }
}

/** A node without the condition has no kubelet yet. */
function isReady(node: ReturnType<typeof record>): boolean {
  const conditions = list(child(node, "status", "node"), "conditions", "node.status", 1_000, record);
  return conditions.some((each) => field(each, "type") === "Ready" && field(each, "status") === "True");
}
