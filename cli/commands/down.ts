import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { alias, define } from "../command.ts";
import { failure } from "../failure.ts";
import { takeDown } from "../take_down.ts";
import { contextName } from "../values.ts";

export const down = define({
  words: "down",
  brief: "Disconnect from the cluster",
  description:
    "Disconnects from the cluster: ends its intercepts, removes routes and names, ends the daemon, and says what " +
    "is left on this machine. It is no error if pmz is not up.",
  examples: [
    ["pmz down", "every cluster"],
    ["pmz down --context staging", "one of several"],
  ],
  options: object({
    context: optional(option("--context", contextName(), {
      description: message`Disconnect only this cluster.`,
    })),
  }),
  data: true,
  interrupted: { message: "interrupted: pmz may be half down", hint: "run it again: pmz down" },
  async run(cli, { context }) {
    const result = await takeDown(cli, context);
    const whole = context === undefined ? "" : `${context}: `;
    if (result.wasUp) cli.terminal.print({ text: `${whole}down`, style: "green" });
    else cli.terminal.print(`${whole}was not up`);
    cli.terminal.json("Down", { ...result });
    if (result.left.length === 0) return cli.terminal.print("left: nothing");
    for (const thing of result.left) cli.terminal.print(`left: ${thing}`);
    throw failure("internal", "something is left on this machine", "to remove it: pmz up, then pmz down");
  },
});

export const disconnect = alias(down, "disconnect", "Disconnect from the cluster, as down does", [[
  "pmz disconnect",
  "the same as: pmz down",
]]);
export const stop = alias(down, "stop", "Disconnect and end the daemon, as down does", [[
  "pmz stop",
  "the same as: pmz down",
]]);
