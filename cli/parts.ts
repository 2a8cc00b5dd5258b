import type { LookedUp } from "./lookup.ts";
import type { ClusterChoice, Warning } from "../wire/control.ts";
import type { HelperGrant } from "../wire/helper.ts";
import type { CheckResult, DoctorRequest, OnChecked, ServedNames } from "../wire/doctor.ts";
import type { LogNews, LogsRequest } from "../wire/log_line.ts";
import type { Report, ReportRequest } from "../wire/report.ts";
import type { Setup } from "../wire/setup.ts";
import type { AgentInstallOptions, Component } from "../wire/installer.ts";

/** Where text goes; a write takes all of it, or throws. */
export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal; undefined where it is not a terminal. */
  columns(): number | undefined;
}

/** Where answers come from. */
export interface Input {
  readonly isTerminal: boolean;
  /** A line without its end; null at the end of input. */
  readLine(signal: AbortSignal): Promise<string | null>;
}

/** How `pmz ui` wants its page. */
export interface PageRequest {
  /** Of 127.0.0.1; 0: any that is free. */
  readonly port: number;
}

/** The page of `pmz ui`, as it is served. */
export interface ServedPage {
  /** It has the token by which the page is reached. */
  readonly url: string;
  /** Settles when it is no longer served, with the reason. */
  readonly ended: Promise<"down" | "interrupted">;
}

/** What the command line is made of, handed over by main.ts. */
export interface CliParts {
  readonly release: string;
  /**
   * The user's state folder, where the daemon's socket and log are. It need not exist.
   * @throws when there is no home folder; a `code` and `hint` of the error are told as they are.
   */
  readonly stateFolder: string;
  readonly env: { get(name: string): string | undefined };
  /** What the command was typed in. */
  environment(): NonNullable<ClusterChoice["environment"]>;
  /**
   * Runs the exec plugin of a context's user in this process's environment, on its terminal.
   * @returns undefined where the context's user has none
   * @throws when it fails; a `code` and `hint` of the error are told as they are
   */
  pluginCredential(
    of: Pick<ClusterChoice, "context" | "kubeconfig">,
  ): Promise<NonNullable<ClusterChoice["credential"]> | undefined>;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /**
   * Starts the daemon in the background; settles when its socket answers.
   * @throws when it doesn't come up; a `code` and `hint` of the error are told as they are.
   */
  startDaemon(): Promise<void>;
  /** The program and arguments that sudo runs; it ends with 0 as soon as the helper listens; the helper keeps running. */
  helperCommand(grant: HelperGrant): readonly string[];
  /** The program and arguments that run this pmz again. */
  selfCommand(args: readonly string[]): readonly string[];
  /** The installation of pmz itself on this machine. */
  setup(): Promise<Setup>;
  /** YAML for `kubectl apply -f -`. */
  manifests(components: readonly Component[], options: AgentInstallOptions): string | Promise<string>;
  /** What pmz left on this machine though no daemon runs, in words; empty: nothing. */
  leftovers(): Promise<readonly string[]>;
  /**
   * What this shell's environment keeps from working while programs use a cluster's names.
   * @param served asks for the names that are answered now
   */
  shellWarnings(served: () => Promise<ServedNames>): Promise<readonly Warning[]>;
  /** What this machine's programs get for a name. */
  lookup(host: string, signal: AbortSignal): Promise<LookedUp>;
  /** Runs the checks of `pmz doctor`; changes nothing. */
  doctor(request: DoctorRequest, onChecked: OnChecked, signal: AbortSignal): Promise<readonly CheckResult[]>;
  /** Reads the logs of all processes of pmz, without what is secret; with `follow` until the signal aborts. */
  logs(request: LogsRequest, signal: AbortSignal): AsyncIterable<LogNews>;
  /** Makes the archive of a bug report, by a list of what may be in it. Nothing is written. */
  report(request: ReportRequest): Promise<Report>;
  /** The names of the kubeconfig's contexts. @throws when it can't be read */
  contexts(): readonly string[] | Promise<readonly string[]>;
  /**
   * Serves the page of `pmz ui` until the signal aborts, or the daemon goes down.
   * @throws where its port is taken; a `code` and `hint` of the error are told as they are
   */
  servePage(request: PageRequest, signal: AbortSignal): Promise<ServedPage>;
  /** Opens a URL in the user's browser. @returns false where the machine has no browser */
  openBrowser(url: string): Promise<boolean>;
  /** Milliseconds since 1970, for "since"; by default the clock. */
  now?(): number;
  /** Whose command line it is; by default this process's. */
  readonly uid?: number;
  /** Instead of Ctrl-C. */
  readonly interrupted?: AbortSignal;
}
