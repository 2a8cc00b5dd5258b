import { object } from "@optique/core/constructs";
import { printComponents } from "../agent_components.ts";
import { context, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";

export const agentStatus = define({
  words: "agent status",
  brief: "Show the state of the agents",
  examples: [
    ["pmz agent status", "the current context"],
    ["pmz agent status --context staging -o json", "another context, for scripts"],
  ],
  options: object({ context, kubeconfig }),
  data: true,
  async run(cli, options) {
    const daemon = await cli.startedDaemon();
    printComponents(cli, await daemon.ask("agent", await cli.chosen(daemon, options)));
  },
});
