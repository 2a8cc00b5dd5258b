import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { component, componentsOf } from "../agent_components.ts";
import { context, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import { undone } from "../interruption.ts";
import { removeAgents } from "../remove_agents.ts";
import { namespace } from "../values.ts";

export const agentDelete = define({
  words: "agent delete",
  brief: "Remove the agents from a cluster",
  description:
    "Removes the agents from a cluster, with everything that was installed for them. It asks first, since it " +
    "disconnects everybody who uses them.",
  examples: [
    ["pmz agent delete", "gateway and node agent"],
    ["pmz agent delete --component node --yes", "the node agent alone, without a question"],
  ],
  options: object({
    component,
    context,
    kubeconfig,
    yes: withDefault(flag("-y", "--yes", { description: message`Remove without asking.` }), false),
    namespace: optional(option("-n", "--namespace", namespace(), { hidden: true })),
  }),
  data: true,
  interrupted: undone,
  async run(cli, options) {
    await removeAgents(cli, { ...options, components: componentsOf(options.component) });
  },
});
