import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { pollUntil } from "../../async/poll_until.ts";
import type { DownRequest, DownResult } from "../../wire/control.ts";
import { alias, define } from "../command.ts";
import { ControlClient } from "../control_client.ts";
import { failure } from "../failure.ts";
import type { Cli } from "../session.ts";
import { contextName } from "../values.ts";

/** How long a daemon may take to end after it has said that it's down. */
const END_MS = 5000;

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

async function takeDown(cli: Cli, context: string | undefined): Promise<DownResult> {
  const daemon = await cli.runningDaemon({ anyVersion: true });
  if (!daemon) return { wasUp: false, left: await cli.parts.leftovers() };
  const request: DownRequest = context === undefined ? {} : { context };
  const result = await cli.follow(daemon, "down", request);
  if (context !== undefined) return result;
  await ended(cli);
  return { ...result, left: [...new Set([...result.left, ...await cli.parts.leftovers()])] };
}

/** Waits until no daemon answers any more, so that an `up` right after this starts its own. */
async function ended(cli: Cli): Promise<void> {
  const { stateFolder, release } = cli.parts;
  const gone = async () =>
    !await ControlClient.connect({ stateFolder, release, signal: cli.signal, anyVersion: true });
  if (await pollUntil(gone, { everyMs: 50, timeoutMs: END_MS, signal: cli.signal })) return;
  cli.signal.throwIfAborted();
  throw failure(
    "timeout",
    `everything is disconnected, but the daemon didn't end within ${END_MS / 1000} s`,
    `its log: ${stateFolder}/daemon.log`,
  );
}
