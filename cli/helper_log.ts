import type { Cli } from "./session.ts";

/** The end of the root helper's log, as the daemon says it; undefined where none runs, or it has no helper. */
export async function askHelperLog(cli: Cli): Promise<string | undefined> {
  const daemon = await cli.runningDaemon({ anyVersion: true });
  return (await daemon?.ask("helperLog"))?.text;
}
