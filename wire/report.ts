/** What `pmz report` collects, and of what. */
import type { CheckResult } from "./doctor.ts";
import type { Flow } from "./flow.ts";
import type { LogLine, UnreadLog } from "./log_line.ts";
import type { Status } from "./control.ts";

/** What the command line has asked for: the daemon, the checks, the logs. */
export interface ReportRequest {
  readonly release: string;
  /** The daemon's release; absent where none runs. */
  readonly daemonRelease?: string;
  /** Why the daemon can't be asked, where one runs. */
  readonly daemonProblem?: string;
  readonly checks: readonly CheckResult[];
  readonly status?: Status;
  /** Those that failed. */
  readonly flows: readonly Flow[];
  readonly logs: readonly LogLine[];
  readonly unreadLogs: readonly UnreadLog[];
  /** The kubeconfig whose secrets and servers are left out, if not the usual one. */
  readonly kubeconfig?: string;
  /** ISO time. */
  readonly now: string;
}

/** A file of the archive. */
export interface ReportFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a report would be. */
export interface Report {
  /** The name of its folder, and of the archive without ".tar.gz". */
  readonly name: string;
  readonly files: readonly ReportFile[];
  readonly archive: Uint8Array;
}
