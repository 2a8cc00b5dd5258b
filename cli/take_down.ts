import { pollUntil } from "../async/poll_until.ts";
import type { DownRequest, DownResult } from "../wire/control.ts";
import { ControlClient } from "./control_client.ts";
import { failure } from "./failure.ts";
import type { Cli } from "./session.ts";

/** How long a daemon may take to end after it has said that it's down. */
const END_MS = 5000;

/** Disconnects one cluster, or all of them, and ends the daemon. @throws {CliFailure} `timeout` when that doesn't end */
export async function takeDown(cli: Cli, context: string | undefined): Promise<DownResult> {
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
