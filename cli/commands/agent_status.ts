import { object } from "@optique/core/constructs";
import { printComponents } from "../agent_components.ts";
import { context, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";

export const agentStatus = define({
  words: "agent status",
  brief: "How pmz's agents in a cluster are",
  examples: [
    ["pmz agent status", "in the current context"],
    ["pmz agent status --context staging -o json", "in another, for scripts"],
  ],
  options: object({ context, kubeconfig }),
  data: true,
  async run(cli, options) {
    const daemon = await cli.startedDaemon();
    printComponents(cli, await daemon.ask("agent", cli.choice(options)));
  },
});
