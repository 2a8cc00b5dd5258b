import { message } from "@optique/core/message";
import { multiple } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { type AgentComponent, type Component, components } from "../wire/installer.ts";
import type { Cli } from "./session.ts";
import { oneOf } from "./values.ts";

/** `--component`: one of the agents; repeatable. */
export const component = multiple(
  option("--component", oneOf("COMPONENT", "component", components), {
    description: message`Choose gateway or node, not both.`,
  }),
);

/** The components that were named, each once; both where none was. */
export function componentsOf(named: readonly Component[]): readonly Component[] {
  return named.length === 0 ? components : [...new Set(named)];
}

/** Whose code a component runs. */
function payloadOf({ ours, outdated }: AgentComponent): string {
  if (ours === undefined) return "";
  if (ours) return "of this pmz";
  return outdated ? "of an older pmz" : "of another pmz";
}

/** Prints the state of each component. */
export function printComponents(cli: Cli, states: readonly AgentComponent[]): void {
  cli.terminal.json("AgentComponentList", { items: states });
  cli.terminal.table(
    states.map((one) => [
      one.component,
      one.state,
      one.pods ? `${one.pods.ready} of ${one.pods.all}` : "-",
      one.image ?? "-",
      payloadOf(one),
      one.why ?? "",
    ]),
    ["COMPONENT", "STATE", "PODS", "IMAGE", "PAYLOAD", ""],
  );
}
