import { object } from "@optique/core/constructs";
import { component, componentsOf } from "../agent_components.ts";
import { imageOptions, installOptionsOf, ranges } from "../cluster_options.ts";
import { define } from "../command.ts";

export const agentManifests = define({
  words: "agent manifests",
  brief: "Print the agents' manifests as YAML",
  description:
    "Prints what `pmz agent deploy` installs, as YAML: to read it first, or to install it with other tools.",
  examples: [
    ["pmz agent manifests", "everything"],
    [
      "pmz agent manifests --component gateway --base-image registry.example/denoland/deno:2.9.6",
      "the gateway, from a mirror",
    ],
  ],
  options: object({ component, ...imageOptions, ranges }),
  data: false,
  async run(cli, options) {
    const yaml = await cli.parts.manifests(
      componentsOf(options.component),
      installOptionsOf(options, await cli.settings()) ?? {},
    );
    cli.terminal.raw(yaml.endsWith("\n") ? yaml : `${yaml}\n`);
  },
});
