/** `pmz install` and `pmz uninstall`: what the command line asks for, and what was done on this machine. */

/** For whom pmz is installed: in the user's own folders, or in the machine's. */
export type SetupScope = "user" | "system";

/** What is installed next to the program: made by the command line of its own grammar. */
export interface SetupTexts {
  readonly bash: string;
  readonly zsh: string;
  readonly fish: string;
  /** The manual page, in roff. */
  readonly manual: string;
}

export interface InstallRequest {
  readonly scope: SetupScope;
  readonly release: string;
  /** Replace files that pmz hasn't made. */
  readonly force: boolean;
}

/** What became of a file. */
export type SetupOutcome = "written" | "replaced" | "unchanged";

export interface SetupFile {
  readonly path: string;
  readonly outcome: SetupOutcome;
}

/** What was installed before: its release, where that is known. */
export interface EarlierInstallation {
  readonly release?: string;
  /** By the releases' numbers; "same" also of another build of the same release. */
  readonly age: "older" | "same" | "newer" | "unknown";
}

export interface Installation {
  readonly program: string;
  readonly files: readonly SetupFile[];
  /** Undefined where there was no such program, or the very same. */
  readonly replaced?: EarlierInstallation;
}

export interface UninstallRequest {
  readonly scope: SetupScope;
  /** Paths of the user's state and settings that are to be removed, too. */
  readonly purge: readonly string[];
}

/** What an uninstallation would remove, and what it leaves. */
export interface UninstallPlan {
  readonly scope: SetupScope;
  readonly isInstalled: boolean;
  /** Files and links that `pmz install` made, and that are still what it made. */
  readonly files: readonly string[];
  /** Files that `pmz install` made, and that have been changed since: they stay. */
  readonly changed: readonly string[];
  /** Folders with unpacked versions. */
  readonly caches: readonly string[];
  /** Those of the paths to purge that are there. */
  readonly purged: readonly string[];
  /** Those who have a daemon of pmz: everybody for the machine's installation, else the user alone. */
  readonly runningFor: readonly number[];
}

/** The installation of pmz itself on this machine. */
export interface Setup {
  /** Where the program is installed, or would be. */
  program(scope: SetupScope): string;
  /** Whether there is an installation that `pmz install` made. */
  isInstalled(scope: SetupScope): Promise<boolean>;
  /** @throws when it can't be done; a `code` and `hint` of the error are told as they are. Nothing is half written. */
  install(request: InstallRequest): Promise<Installation>;
  plan(request: UninstallRequest): Promise<UninstallPlan>;
  /** Does what a plan says. @returns what could not be removed, in words */
  uninstall(plan: UninstallPlan): Promise<readonly string[]>;
}
