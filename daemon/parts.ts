import type { AgentInstaller } from "./installer.ts";
import type { Log } from "./process/log.ts";
import type { StartWorker } from "../threads/worker.ts";

/** What main.ts hands to the daemon. */
export interface DaemonParts {
  readonly stateFolder: string;
  readonly installer: AgentInstaller;
  readonly startWorker: StartWorker;
  readonly log: Log;
  /** Where the root helper listens for this user. */
  readonly helperSocket: string;
  /** A daemon with nothing connected ends by itself after this, in milliseconds; a minute without it. */
  readonly idleMs?: number;
  /** Ends the process, once everything has been undone. */
  readonly ended: () => void;
}
