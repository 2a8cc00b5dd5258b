import type { AgentRequest } from "../wire/control.ts";
import type { Component } from "../wire/installer.ts";
import { printComponents } from "./agent_components.ts";
import { agree, sayCluster } from "./consent.ts";
import type { Cli } from "./session.ts";

interface Removal {
  readonly components: readonly Component[];
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
  /** Whether it was agreed on beforehand. */
  readonly yes: boolean;
}

/**
 * Removes agents from a cluster, after a question.
 * @throws {CliFailure} `declined`
 */
export async function removeAgents(
  cli: Cli,
  { components, context, kubeconfig, yes }: Removal,
): Promise<void> {
  const daemon = await cli.startedDaemon();
  const choice = await cli.chosen(daemon, { context, kubeconfig });
  const plan = await daemon.ask("plan", { ...choice, mode: "proxy" });
  // The very cluster that is agreed on, whatever is connected or left meanwhile.
  const request: AgentRequest = { ...choice, context: plan.cluster.context, components };
  const there = await daemon.ask("agent", { ...choice, context: plan.cluster.context });
  const isAbsent = components.every((one) =>
    there.some(({ component, state }) => component === one && state === "absent")
  );
  if (isAbsent && !yes) {
    cli.terminal.json("AgentComponentList", { items: there });
    return cli.terminal.print(
      `${plan.cluster.context}: no agent is installed, nothing changed (to remove what an installation may ` +
        "have left: --yes)",
    );
  }
  sayCluster(cli, plan.cluster);
  const question = `Remove ${components.join(" and ")} from ${plan.cluster.context}, for everybody?`;
  await agree(cli, yes, question, "nothing was removed");
  const still = await cli.startedDaemon(); // it may have ended while the question stood
  printComponents(cli, await cli.follow(still, "removeAgent", request));
}
