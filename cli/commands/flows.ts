import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { flag } from "@optique/core/primitives";
import { type Flow, isFailure } from "../../wire/flow.ts";
import { define } from "../command.ts";
import { flowWords, formatWhen } from "../flow_lines.ts";
import type { Cli } from "../session.ts";

export const flows = define({
  words: "flows",
  brief: "Show open connections and those that failed",
  description:
    "Shows the connections that pmz carries: those that are open, and the last ones that failed, each with its " +
    "program where the kernel tells, and why it failed. With -f it shows each one that ends from now on, until " +
    "Ctrl-C; with -o json an object a line.",
  examples: [
    ["pmz flows", "what is open, what failed"],
    ["pmz flows --failed", "only what failed"],
    ["pmz flows -f", "each connection as it ends"],
    ["pmz flows -f --failed -o json", "each failure, for scripts"],
  ],
  options: object({
    follow: withDefault(
      flag("-f", "--follow", { description: message`Wait for connections that end, and show each.` }),
      false,
    ),
    failed: withDefault(flag("--failed", { description: message`Only those that failed.` }), false),
  }),
  data: true,
  async run(cli, { follow, failed }) {
    const isWanted = ({ outcome }: Flow) => !failed || isFailure(outcome);
    if (follow) return await followFlows(cli, isWanted);
    const daemon = await cli.daemon();
    const items = (await daemon.ask("flows")).filter(isWanted);
    cli.terminal.json("FlowList", { items });
    if (items.length === 0) return cli.terminal.print(failed ? "no failed connections" : "no connections");
    const now = cli.parts.now?.() ?? Date.now();
    cli.terminal.table(items.map((flow) => [formatWhen(flow, now), flowWords(flow)]));
  },
});

async function followFlows(cli: Cli, isWanted: (flow: Flow) => boolean): Promise<void> {
  const daemon = await cli.daemon();
  cli.untilCtrlC();
  for await (const event of daemon.stream("followFlows")) {
    if ("missed" in event) {
      const [count, were] = [event.missed, event.missed === 1 ? "connection was" : "connections were"];
      cli.terminal.warn(`${count} ${were} left out: they end faster than they are read`);
    } else if (isWanted(event.flow)) {
      cli.terminal.jsonLine("Flow", { flow: event.flow });
      cli.terminal.print(`${timeOf(event.flow)}  ${flowWords(event.flow)}`);
    }
  }
  cli.terminal.note("the daemon has ended");
}

/** The time of day at which it ended, on this machine's clock: "14:03:07". */
function timeOf({ started, ms = 0 }: Flow): string {
  const at = new Date(Date.parse(started) + ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(
    ":",
  );
}
