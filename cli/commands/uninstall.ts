import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { flag } from "@optique/core/primitives";
import { components } from "../../wire/installer.ts";
import type { Setup, SetupScope, UninstallPlan } from "../../wire/setup.ts";
import { context, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import { agree } from "../consent.ts";
import type { ControlClient } from "../control_client.ts";
import { failure } from "../failure.ts";
import { removeAgents } from "../remove_agents.ts";
import type { Cli } from "../session.ts";
import { configPath } from "../settings/settings.ts";
import { againAsRoot, scopeOption } from "../setup_scope.ts";
import { isRoot } from "../sudo.ts";
import { takeDown } from "../take_down.ts";

export const uninstall = define({
  words: "uninstall",
  brief: "Remove pmz from this machine",
  description:
    "Removes what pmz install made and is still as it made it, and the unpacked versions of the program. It says first which files " +
    "those are, and asks. Without --user and --system it is the installation that there is, yours first. State (log, domains, " +
    "accepted ranges) and settings stay unless --purge is given, the cluster's agents unless --agent is. It removes nothing while " +
    "pmz is up.",
  examples: [
    ["pmz uninstall", "what pmz install made"],
    ["pmz uninstall --purge", "your log, domains and settings, too"],
    ["pmz uninstall --agent --context dev", "the agents of this cluster, too"],
    ["pmz uninstall --system --yes", "in a script, by root or sudo"],
  ],
  options: object({
    scope: scopeOption,
    purge: withDefault(
      flag("--purge", { description: message`Remove your state and settings, too.` }),
      false,
    ),
    agent: withDefault(flag("--agent", { description: message`Remove the cluster's agents, too.` }), false),
    context,
    kubeconfig,
    yes: withDefault(flag("-y", "--yes", { description: message`Remove without asking.` }), false),
  }),
  data: false,
  interrupted: { message: "interrupted: part of pmz may be left", hint: "run it again: pmz uninstall" },
  async run(cli, options) {
    const setup = await cli.parts.setup();
    const scope = options.scope ?? await scopeThatIs(cli, setup);
    const purge = options.purge ? statePaths(cli) : [];
    await refuseWhileUp(cli, await setup.plan({ scope, purge }));
    if (options.agent) {
      await removeAgents(cli, { ...options, components });
      await takeDown(cli, undefined);
    }
    const plan = await setup.plan({ scope, purge });
    if (!sayPlan(cli, plan)) return;
    await agree(cli, options.yes, "Remove them?", "nothing was removed from this machine");
    cli.signal.throwIfAborted(); // what was typed after Ctrl-C is no answer
    await remove(cli, setup, plan);
  },
});

/** The installation that is there: the user's own comes first. */
async function scopeThatIs(cli: Cli, setup: Setup): Promise<SetupScope> {
  if (isRoot(cli)) return "system";
  return !await setup.isInstalled("user") && await setup.isInstalled("system") ? "system" : "user";
}

function statePaths({ parts }: Cli): string[] {
  return [parts.stateFolder, configPath(parts.env)].filter((path) => path !== undefined);
}

/** @throws {CliFailure} `conflict` while somebody whose pmz it is has a cluster connected */
async function refuseWhileUp(cli: Cli, { runningFor }: UninstallPlan): Promise<void> {
  const daemon = await cli.runningDaemon({ anyVersion: true });
  if (daemon) {
    if (await isConnected(cli, daemon)) {
      throw failure("conflict", "pmz is up: nothing was removed", "run: pmz down");
    }
    await takeDown(cli, undefined); // a daemon without a cluster ends by itself a little later
  }
  const own = cli.parts.uid ?? Deno.uid();
  const others = runningFor.filter((uid) => uid !== own);
  if (others.length === 0) return;
  throw failure(
    "conflict",
    `pmz is up for uid ${others.join(", ")}: nothing was removed`,
    "each of them has to run: pmz down",
  );
}

/** A daemon of another version that can't say it counts as connected. */
async function isConnected(cli: Cli, daemon: ControlClient): Promise<boolean> {
  try {
    return (await daemon.ask("status")).clusters.length > 0;
  } catch {
    cli.signal.throwIfAborted();
    return true;
  }
}

/** @returns whether there is anything to remove */
function sayPlan({ terminal }: Cli, plan: UninstallPlan): boolean {
  for (const path of plan.changed) {
    terminal.warn(`${path} stays: it was changed since pmz install made it`);
  }
  const all = [...plan.files, ...plan.caches, ...plan.purged];
  if (all.length === 0) {
    terminal.print("pmz is not installed here, nothing changed");
    return false;
  }
  if (!plan.isInstalled) terminal.note("pmz install made nothing here; there is only what pmz itself keeps");
  terminal.print("to be removed:");
  for (const path of all) terminal.print(`  ${path}`);
  return true;
}

async function remove(cli: Cli, setup: Setup, plan: UninstallPlan): Promise<void> {
  const { terminal } = cli;
  if (plan.scope === "system" && !isRoot(cli)) {
    terminal.note("sudo removes what is in /usr/local");
    const args = ["uninstall", "--system", "--yes", "--quiet"];
    cli.exitCode = await againAsRoot(cli, args, "nothing was removed");
    if (cli.exitCode !== 0) return;
    const own = await setup.plan({ scope: "user", purge: plan.purged });
    await finish(cli, setup, { ...own, isInstalled: false, files: [] });
  } else await finish(cli, setup, plan);
  const { caches } = await setup.plan({ scope: "system", purge: [] });
  if (plan.scope === "user" && !isRoot(cli) && caches.length > 0) {
    terminal.note("what pmz up has unpacked for root stays in /var/cache/pmz: sudo rm -r /var/cache/pmz");
  }
}

async function finish({ terminal }: Cli, setup: Setup, plan: UninstallPlan): Promise<void> {
  const left = await setup.uninstall(plan);
  if (left.length === 0) return terminal.tell({ text: "removed", style: "green" });
  for (const one of left) terminal.warn(`not removed: ${one}`);
  throw failure("usage", "part of pmz is left on this machine", "see above; then run it again");
}
