import { object } from "@optique/core/constructs";
import { connectedContext } from "../cluster_options.ts";
import { define } from "../command.ts";
import { shortened } from "../shortened.ts";

export const dnsList = define({
  words: "dns list",
  brief: "List names with their addresses",
  description: "Lists every name that answers, with its addresses; your own domains are marked.",
  examples: [
    ["pmz dns list", "all names"],
    ["pmz dns list -o json", "for scripts"],
  ],
  options: object({ context: connectedContext }),
  data: true,
  async run(cli, { context }) {
    const daemon = await cli.daemon();
    if (context !== undefined) await cli.connected(daemon, context);
    const names = await daemon.ask("names");
    const entries = context === undefined ? names : names.filter((entry) => entry.cluster === context);
    cli.terminal.json("NameList", { items: entries });
    if (entries.length === 0) {
      return cli.terminal.print("there are no names: these credentials can see no Services");
    }
    cli.terminal.table(entries.map((entry) => [
      entry.name,
      shortened(entry.addresses) || "-",
      entry.custom ? `custom, for ${entry.target}` : "",
    ]));
  },
});
