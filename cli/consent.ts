import type { ClusterName, Plan } from "../wire/control.ts";
import { failure } from "./failure.ts";
import { undone } from "./interruption.ts";
import type { Cli } from "./session.ts";
import type { Component } from "../wire/installer.ts";

/** What is installed for each component, for the question. */
const what: Record<Component, string> = {
  gateway: "gateway: an unprivileged Deployment in namespace pmz; it dials what you connect to",
  node:
    "node agent: a privileged DaemonSet in namespace pmz-node, and two CRDs; it intercepts traffic in pods",
};

/** Says which cluster is meant, before anything is done to it. */
export function sayCluster(cli: Cli, cluster: ClusterName): void {
  const { terminal } = cli;
  terminal.note("context    ", { text: cluster.context, style: "bold" });
  terminal.note(`server     ${cluster.server}`);
  terminal.note(`namespace  ${cluster.namespace}`);
  terminal.note(`user       ${cluster.user}`);
}

/**
 * Asks, once, whether what the plan names may be installed in the cluster, or updated there.
 * @returns whether there is something to install or update.
 * @throws {CliFailure} `declined` when the answer is no, or there is no terminal to ask on.
 */
export async function agreeToInstall(cli: Cli, plan: Plan, yes: boolean): Promise<boolean> {
  if (plan.install.length === 0) return false;
  const isUpdate = plan.agent.some(({ component, state }) =>
    state !== "absent" && plan.install.includes(component)
  );
  cli.terminal.note(`to ${isUpdate ? "update" : "install"} in ${plan.cluster.context}:`);
  for (const component of plan.install) cli.terminal.note(`  ${what[component]}`);
  const question = `${isUpdate ? "Update it, for all users," : "Install it"} in ${plan.cluster.context}?`;
  const otherwise = `nothing was ${isUpdate ? "updated" : "installed"}`;
  await agree(cli, yes, question, otherwise, "to see what would be: pmz agent manifests");
  cli.interrupted = {
    ...undone,
    hint: `what is installed in ${plan.cluster.context} stays; to delete it: pmz agent delete`,
  };
  return true;
}

/**
 * Asks a question that only "y" or "yes" answers with yes.
 * @throws {CliFailure} `declined` otherwise; its message says what was not done.
 */
export async function agree(
  cli: Cli,
  yes: boolean,
  question: string,
  otherwise: string,
  hint?: string,
): Promise<void> {
  if (yes) return;
  const { stdin } = cli.parts;
  if (!stdin.isTerminal) {
    throw failure(
      "declined",
      `${otherwise}: there is no terminal to ask for consent`,
      "to agree beforehand: --yes",
    );
  }
  cli.terminal.question(`${question} [y/N]`);
  const answer = await stdin.readLine(cli.signal);
  if (!/^\s*y(es)?\s*$/i.test(answer ?? "")) throw failure("declined", otherwise, hint);
}
