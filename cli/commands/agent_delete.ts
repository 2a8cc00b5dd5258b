import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { AgentRequest } from "../../wire/control.ts";
import { component, componentsOf, printComponents } from "../agent_components.ts";
import { context, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import { undone } from "../interruption.ts";
import { agree, sayCluster } from "../consent.ts";
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
    const daemon = await cli.startedDaemon();
    const components = componentsOf(options.component);
    const choice = await cli.chosen(daemon, { context: options.context, kubeconfig: options.kubeconfig });
    const plan = await daemon.ask("plan", { ...choice, mode: "proxy" });
    // The very cluster that is agreed on, whatever is connected or left meanwhile.
    const request: AgentRequest = { ...choice, context: plan.cluster.context, components };
    const there = await daemon.ask("agent", { ...choice, context: plan.cluster.context });
    const isAbsent = components.every((one) =>
      there.some(({ component, state }) => component === one && state === "absent")
    );
    if (isAbsent && !options.yes) {
      cli.terminal.json("AgentComponentList", { items: there });
      return cli.terminal.print(
        `${plan.cluster.context}: no agent is installed, nothing changed (to remove what an installation may ` +
          "have left: --yes)",
      );
    }
    sayCluster(cli, plan.cluster);
    const question = `Remove ${components.join(" and ")} from ${plan.cluster.context}, for everybody?`;
    await agree(cli, options.yes, question, "nothing was removed");
    const still = await cli.startedDaemon(); // it may have ended while the question stood
    printComponents(cli, await cli.follow(still, "removeAgent", request));
  },
});
