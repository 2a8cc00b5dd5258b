import { wantsPlugin } from "../../kube/config/kubeconfig.ts";
import type { ClusterChoice, PluginNeed } from "../../wire/control.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";

/**
 * Whether a command has to run an exec plugin before it asks for a cluster, as kubectl does for each command: with the command's own
 * environment and terminal, which the daemon doesn't have.
 *
 * @throws {KubeconfigError} when the kubeconfig can't be read, or lacks what is meant
 */
export function pluginNeed(choice: ClusterChoice, clusters: Pick<ClusterRegistry, "chosen">): PluginNeed {
  const { context, kubeconfig } = clusters.chosen(choice)?.connection.choice ?? choice;
  const meant = {
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  };
  const { environment } = choice;
  return { ...meant, isNeeded: wantsPlugin({ ...meant, ...(environment ? { environment } : {}) }) };
}
