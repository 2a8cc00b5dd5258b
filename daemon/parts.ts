import type { Api } from "../kube/api.ts";
import type { AgentInstaller } from "../wire/installer.ts";
import type { Log } from "./log.ts";
import type { StartWorker } from "./workers.ts";

/** What main.ts hands to the daemon. */
export interface DaemonParts {
  readonly stateFolder: string;
  readonly installer: AgentInstaller<Api>;
  readonly startWorker: StartWorker;
  readonly log: Log;
  /** Ends the process, once everything has been undone. */
  readonly ended: () => void;
}
