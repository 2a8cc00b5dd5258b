import type { Api } from "../kube/client/api.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { resources } from "../kube/client/resources.ts";
import { child, field, record } from "../kube/objects/parse.ts";
import { virtualNodes } from "./manifests/options.ts";

/** The first kernel that counts the memory of BPF maps by control group, not against RLIMIT_MEMLOCK. */
const COUNTS_BY_CGROUP = [5, 11] as const;

/**
 * Whether a node that gets a node agent has a kernel before 5.11. Without the right to list nodes none counts as such.
 * @throws {ApiError} when the cluster can't be asked.
 */
export async function limitsBpfMemory(api: Api, signal: AbortSignal): Promise<boolean> {
  try {
    for await (const { items } of api.pages(resources.nodes, {}, { signal })) {
      if (items.some((node) => isOlder(kernelOf(node)) && !isVirtual(node))) return true;
    }
    return false;
  } catch (error) {
    if (ApiError.is(error, "Forbidden")) return false;
    throw error;
  }
}

/** A node's kernel, as uname -r says it; empty where it doesn't say one, as a virtual node may. */
function kernelOf(node: unknown): string {
  const status = child(record(node, "node"), "status", "node");
  const kernel = field(child(status, "nodeInfo", "node's status"), "kernelVersion");
  return typeof kernel === "string" ? kernel : "";
}

function isVirtual(node: unknown): boolean {
  const labels = child(child(record(node, "node"), "metadata", "node"), "labels", "node's metadata");
  return virtualNodes.some(([label, values]) => values.some((value) => field(labels, label) === value));
}

function isOlder(kernel: string): boolean {
  const found = /^(\d+)\.(\d+)/.exec(kernel);
  if (!found) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major < COUNTS_BY_CGROUP[0] || major === COUNTS_BY_CGROUP[0] && minor < COUNTS_BY_CGROUP[1];
}
