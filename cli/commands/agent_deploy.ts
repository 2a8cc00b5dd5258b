import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { AgentRequest } from "../../wire/control.ts";
import { component, componentsOf, printComponents } from "../agent_components.ts";
import { context, imageOptions, installOptionsOf, kubeconfig, ranges } from "../cluster_options.ts";
import { define, undone } from "../command.ts";
import { sayCluster } from "../consent.ts";
import { namespace } from "../values.ts";

export const agentDeploy = define({
  words: "agent deploy",
  brief: "Install pmz's agents in a cluster",
  description:
    "Installs pmz's agents in a cluster: the gateway that `pmz up` needs, the node agent that intercepts " +
    "need. What runs and understands this pmz stays as it is.",
  examples: [
    ["pmz agent deploy", "both"],
    ["pmz agent deploy --component gateway", "no intercepts in this cluster"],
    ["pmz agent deploy --base-image registry.example/denoland/deno:2.9.6", "from a mirror"],
    ["pmz agent deploy -n default", "as pmzctl had it; the namespaces are pmz and pmz-node all the same"],
  ],
  options: object({
    component,
    context,
    kubeconfig,
    ...imageOptions,
    ranges,
    force: withDefault(
      flag("--force", { description: message`Replace agents that run and are compatible, too.` }),
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
    const choice = cli.choice({ context: options.context, kubeconfig: options.kubeconfig });
    const mode = components.includes("node") ? "intercept" : "proxy";
    const plan = await daemon.ask("plan", { ...choice, mode });
    sayCluster(cli, plan.cluster);
    const installOptions = installOptionsOf(options);
    const request: AgentRequest = {
      ...choice,
      context: plan.cluster.context, // the very cluster that was named, whatever was connected or left meanwhile
      components,
      ...(installOptions === undefined ? {} : { options: installOptions }),
    };
    printComponents(cli, await cli.follow(daemon, "installAgent", request));
  },
});
