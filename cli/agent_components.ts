import { message } from "@optique/core/message";
import { multiple } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import type { AgentComponent, Component } from "../wire/installer.ts";
import type { Cli } from "./session.ts";

/** `--component`: one of the agents; repeatable. */
export const component = multiple(
  option("--component", choice(["gateway", "node"], { metavar: "COMPONENT" }), {
    description: message`Choose gateway or node, not both.`,
  }),
);

/** The components that were named, each once; both where none was. */
export function componentsOf(named: readonly Component[]): readonly Component[] {
  return named.length === 0 ? ["gateway", "node"] : [...new Set(named)];
}

/** Prints the state of each component. */
export function printComponents(cli: Cli, components: readonly AgentComponent[]): void {
  cli.terminal.json("AgentComponentList", { items: components });
  cli.terminal.table(
    components.map((one) => [
      one.component,
      one.state,
      one.pods ? `${one.pods.ready} of ${one.pods.all}` : "-",
      one.image ?? "-",
      one.ours === undefined ? "" : one.ours ? "of this pmz" : "of another pmz",
      one.why ?? "",
    ]),
    ["COMPONENT", "STATE", "PODS", "IMAGE", "PAYLOAD", ""],
  );
}
