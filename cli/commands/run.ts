import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { define } from "../command.ts";

export const run = define({
  words: "run",
  brief: "Start the daemon; not needed any more",
  description: "Starts the daemon in the background. Not needed any more: pmz up does it.",
  examples: [["pmz run --interface eth0", "as pmzctl had it; no interface is needed"]],
  options: object({
    interface: optional(
      option("-i", "--interface", string({ metavar: "NAME" }), {
        description: message`Not needed any more.`,
      }),
    ),
  }),
  data: false,
  async run(cli, options) {
    if (options.interface !== undefined) cli.terminal.note("--interface is not needed any more");
    await cli.keepDaemon();
    cli.terminal.print("the daemon runs; next: pmz up");
  },
});
