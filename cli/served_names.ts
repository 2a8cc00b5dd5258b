import { type ServedNames, servedNames } from "../wire/doctor.ts";
import type { ControlClient } from "./control_client.ts";

/** Asks the daemon for the names that are answered now. */
export async function askServedNames(daemon: ControlClient): Promise<ServedNames> {
  const [status, names] = await Promise.all([daemon.ask("status"), daemon.ask("names")]);
  return servedNames(status, names);
}
