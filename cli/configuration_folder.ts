import { CONFIGURATION_ROOT } from "../wire/configuration_root.ts";
import type { ConfigurationFile } from "../wire/control.ts";

/** The janitor has this long to start, in milliseconds. */
const START_MS = 15_000;

/** By it programs find the folder, and the janitor finds programs. */
export const ROOT = CONFIGURATION_ROOT;

/**
 * Waits for the end of a pipe, and removes the folder. Unless pmz has said that the program has ended, it ends all that have the
 * folder in their environment, too. It ignores what ends a terminal's programs. It is started in the background of a shell that
 * ends at once: so it is no child of pmz, and what kills pmz with all its children doesn't meet it.
 */
const JANITOR = `exec 3<&0
(
  trap '' HUP INT QUIT TERM
  echo ready
  exec >/dev/null
  said=
  while read -r line; do said=$line; done
  rm -rf -- "$1"
  [ "$said" = ended ] && exit
  running() {
    for process in /proc/[0-9]*; do
      grep -qsF "${ROOT}=$1" "$process/environ" && echo "\${process#/proc/}"
    done
  }
  told=
  for second in 1 2 3 4 5 6 7 8 9 10; do
    pids=$(running "$1")
    # A program that is just being started is seen at the second look.
    [ -z "$pids" ] && [ "$second" -gt 1 ] && exit
    [ -n "$pids" ] && [ -z "$told" ] && kill -TERM $pids && told=yes
    sleep 1
  done
  kill -KILL $(running "$1")
) <&3 2>/dev/null &`;

/**
 * A folder for a program's configuration, in memory where the machine has such a place, that only this user may enter. It goes
 * when it is disposed of, and however this process ends: a janitor waits for that.
 */
export class ConfigurationFolder implements AsyncDisposable {
  readonly path: string;
  readonly #pipe: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(path: string, pipe: WritableStreamDefaultWriter<Uint8Array>) {
    this.path = path;
    this.#pipe = pipe;
  }

  /** Makes the folder, empty, with its janitor. @param otherwise where to make it when no folder is in memory */
  static async make(
    env: { get(name: string): string | undefined },
    uid: number,
    otherwise: string,
  ): Promise<ConfigurationFolder> {
    const path = Deno.makeTempDirSync({ dir: memoryFolder(env, uid) ?? otherwise, prefix: "pmz-run-" });
    try {
      const janitor = new Deno.Command("/bin/sh", {
        args: ["-c", JANITOR, "pmz-janitor", path],
        clearEnv: true,
        env: { PATH: env.get("PATH") ?? "/usr/bin:/bin" },
        cwd: "/",
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
        detached: true,
      }).spawn();
      await isReady(janitor.stdout);
      await janitor.status;
      return new ConfigurationFolder(path, janitor.stdin.getWriter());
    } catch (error) {
      Deno.removeSync(path, { recursive: true });
      throw error;
    }
  }

  /**
   * Writes files and folders to where they are in the container, below this folder. The owner alone gets rights of a file's mode.
   * @returns the paths that can't be written, as where one is a file for one and a folder for another
   */
  write(files: readonly ConfigurationFile[], folders: readonly string[]): string[] {
    const failed: string[] = [];
    const tryTo = (path: string, work: () => void) => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory)) {
          throw error;
        }
        failed.push(path);
      }
    };
    const makeFolder = (path: string) => Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    for (const folder of folders) tryTo(folder, () => makeFolder(`${this.path}${folder}`));
    for (const { path, mode, content } of files) {
      tryTo(path, () => {
        const at = `${this.path}${path}`;
        makeFolder(at.slice(0, at.lastIndexOf("/")));
        Deno.writeFileSync(at, Uint8Array.fromBase64(content), {
          createNew: true,
          mode: (mode & 0o700) | 0o400,
        });
      });
    }
    return failed;
  }

  /** Says that the program has ended by itself: what it has started, and left running, stays. */
  async programEnded(): Promise<void> {
    await this.#pipe.write(new TextEncoder().encode("ended\n")).catch(() => {}); // the janitor was killed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true }).catch(() => {}); // what is left is the janitor's
    await this.#pipe.close().catch(() => {});
  }
}

/** A folder in memory in which this user may make others: that of the user's session, or the machine's shared memory. */
function memoryFolder(env: { get(name: string): string | undefined }, uid: number): string | undefined {
  const session = [env.get("XDG_RUNTIME_DIR") ?? "", `/run/user/${uid}`];
  const own = session.find((path) => {
    const found = path.startsWith("/") ? stat(path) : undefined;
    return found?.isDirectory && found.uid === uid && ((found.mode ?? 0) & 0o777) === 0o700;
  });
  return own ?? (stat("/dev/shm")?.isDirectory ? "/dev/shm" : undefined);
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    return undefined;
  }
}

async function isReady(from: ReadableStream<Uint8Array>): Promise<void> {
  const reader = from.getReader();
  const timer = setTimeout(() => reader.cancel().catch(() => {}), START_MS);
  try {
    const { value } = await reader.read();
    if (value === undefined) {
      throw new Error("/bin/sh doesn't start: there is nothing to remove secrets after a kill");
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel();
  }
}
