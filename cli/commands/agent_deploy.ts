import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { AgentRequest } from "../../wire/control.ts";
import { component, componentsOf, printComponents } from "../agent_components.ts";
import { context, imageOptions, installOptionsOf, kubeconfig, ranges } from "../cluster_options.ts";
import { define } from "../command.ts";
import { undone } from "../interruption.ts";
import { sayCluster } from "../consent.ts";
import { namespace } from "../values.ts";

export const agentDeploy = define({
  words: "agent deploy",
  brief: "Install the agents in a cluster",
  description:
    "Installs the agents in a cluster: the gateway for `pmz up`, and the node agent for `pmz intercept`. Agents that " +
    "run and are compatible stay as they are; older ones are updated where that leaves out no older pmz.",
  examples: [
    ["pmz agent deploy", "gateway and node agent"],
    ["pmz agent deploy --component gateway", "no intercepts in this cluster"],
    ["pmz agent deploy --base-image registry.example/denoland/deno:2.9.6", "from a mirror"],
  ],
  options: object({
    component,
    context,
    kubeconfig,
    ...imageOptions,
    ranges,
    force: withDefault(
      flag("--force", { description: message`Replace the agents, whatever runs.` }),
      false,
    ),
    namespace: optional(option("-n", "--namespace", namespace(), { hidden: true })),
  }),
  data: true,
  interrupted: undone,
  async run(cli, options) {
    if (options.namespace !== undefined) {
      cli.terminal.warn(
        `-n ${options.namespace} changes nothing: the agents have namespaces of their own, pmz and pmz-node`,
      );
    }
    const daemon = await cli.startedDaemon();
    const components = componentsOf(options.component);
    const choice = await cli.chosen(daemon, { context: options.context, kubeconfig: options.kubeconfig });
    const mode = components.includes("node") ? "intercept" : "proxy";
    const plan = await daemon.ask("plan", { ...choice, mode });
    sayCluster(cli, plan.cluster);
    const installOptions = installOptionsOf(options, await cli.settings());
    const request: AgentRequest = {
      ...choice,
      context: plan.cluster.context, // the very cluster that was named, whatever was connected or left meanwhile
      components,
      ...(installOptions === undefined ? {} : { options: installOptions }),
    };
    printComponents(cli, await cli.follow(daemon, "installAgent", request));
  },
});
