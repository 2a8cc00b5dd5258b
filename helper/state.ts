import type { HelperGrant } from "../wire/helper.ts";

/** What a helper leaves for the next one that is started: in a file of root, next to its lock. */
export interface HelperState {
  readonly pid: number;
  /** When the process began, in clock ticks since boot: its id may be another's by now. */
  readonly began: number;
  readonly grant: HelperGrant;
  /** The user's own pmz address. */
  readonly address: string;
  /** Whether a daemon is connected. */
  readonly daemon: boolean;
}

/** Replaces the file as a whole, so that no reader sees half of it. */
export function writeState(path: string, state: HelperState): void {
  Deno.writeTextFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 });
  Deno.renameSync(`${path}.new`, path);
}

/** Undefined when there is no file, or its content isn't valid. */
export function readState(path: string): HelperState | undefined {
  try {
    const state = JSON.parse(Deno.readTextFileSync(path)) as Partial<HelperState>; // root's own
    return typeof state.pid === "number" && typeof state.began === "number" && state.grant
      ? state as HelperState
      : undefined;
  } catch {
    return undefined;
  }
}
