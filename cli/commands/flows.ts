import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { flag } from "@optique/core/primitives";
import { type Flow, isFailure } from "../../wire/flow.ts";
import { define } from "../command.ts";
import { CliFailure } from "../failure.ts";
import { flowWords, formatWhen } from "../flow_lines.ts";
import type { Cli } from "../session.ts";

export const flows = define({
  words: "flows",
  brief: "Show open and failed connections",
  description:
    "Shows the connections that pmz carries: those that are open, and the last ones that failed, each with its " +
    "program (where the kernel tells) and the reason. With -f it shows each connection as it ends, until Ctrl-C or `pmz down`; " +
    "with -o json that is one object a line.",
  examples: [
    ["pmz flows", "open and failed connections"],
    ["pmz flows --failed", "failed connections only"],
    ["pmz flows -f", "each connection as it ends"],
    ["pmz flows -f --failed -o json", "each failed connection, for scripts"],
  ],
  options: object({
    follow: withDefault(
      flag("-f", "--follow", { description: message`Show each connection as it ends.` }),
      false,
    ),
    failed: withDefault(flag("--failed", { description: message`Show only failed connections.` }), false),
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
  for await (const event of untilDown(daemon.stream("followFlows"))) {
    if ("missed" in event) {
      const [count, were] = [event.missed, event.missed === 1 ? "connection was" : "connections were"];
      cli.terminal.warn(`${count} ${were} left out: connections end faster than they are shown`);
    } else if (isWanted(event.flow)) {
      cli.terminal.jsonLine("Flow", { flow: event.flow });
      cli.terminal.print(`${timeOf(event.flow)}  ${flowWords(event.flow)}`);
    }
  }
  cli.terminal.note("pmz is down");
}

/** The events until the daemon ends in order, also where it breaks the answer off. */
async function* untilDown<T>(events: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* events;
  } catch (error) {
    if (!(error instanceof CliFailure) || error.failure.code !== "not-up") throw error;
  }
}

/** The time of day at which it ended, on this machine's clock: "14:03:07". */
function timeOf({ started, ms = 0 }: Flow): string {
  const at = new Date(Date.parse(started) + ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(
    ":",
  );
}
