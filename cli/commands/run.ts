import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { define } from "../command.ts";

export const run = define({
  words: "run",
  original: true,
  brief: "Start the daemon, as up does",
  description: "Starts the daemon in the background. `pmz up` starts it too.",
  examples: [["pmz run --interface eth0", "the interface is ignored: none is needed"]],
  options: object({
    interface: optional(
      option("-i", "--interface", string({ metavar: "NAME" }), {
        description: message`Ignored: no interface is needed.`,
      }),
    ),
  }),
  data: false,
  async run(cli, options) {
    if (options.interface !== undefined) cli.terminal.note("--interface is ignored: no interface is needed");
    await cli.keepDaemon();
    cli.terminal.print("the daemon runs; next: pmz up");
  },
});
