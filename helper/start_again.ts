import type { StartAgain } from "./start.ts";

/** What this process knows of its own program. */
export interface OwnProgram {
  /** The file that was unpacked and started; undefined for one that runs from its sources, or compiled. */
  readonly packed: string | undefined;
  readonly isCompiled: boolean;
  readonly execPath: string;
  /** The main module's path. */
  readonly main: string;
  /** DENO_DIR, which has the unpacked program's cache. */
  readonly denoDir: string | undefined;
}

/** The running program's own file, whatever lies at its path by now (`man 5 proc`). */
const OWN_FILE = "/proc/self/exe";
/** As build/launcher/main.c gives them to root's program. */
const PACKED_OPTIONS = [
  "run",
  "--no-code-cache",
  "--unstable-net",
  "--quiet",
  "--allow-all",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--cached-only",
];
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * How root starts this program again: as what runs, which was checked when it was started. At the path of the file that sudo was
 * given there may be another one by now, of anyone who can write there.
 */
export function startAgain({ packed, isCompiled, execPath, main, denoDir }: OwnProgram): StartAgain {
  if (isCompiled) return { command: [OWN_FILE] };
  if (packed === undefined) return { command: [execPath, "run", "--quiet", "--allow-all", main] };
  // Root's own folder; where no program may be run from it, the launcher has started a copy in memory.
  const folder = main.slice(0, main.lastIndexOf("/") + 1);
  return {
    command: [execPath.startsWith(folder) ? execPath : OWN_FILE, ...PACKED_OPTIONS, main],
    env: {
      PATH,
      PMZ_SELF: packed,
      DENO_NO_UPDATE_CHECK: "1",
      DENO_NO_PACKAGE_JSON: "1",
      ...(denoDir === undefined ? {} : { DENO_DIR: denoDir }),
    },
  };
}
