/** SIGQUIT may write a core file. */
const WITNESS = "ulimit -c 0; exec cat";

/**
 * Tells a signal of the whole process group, as a terminal sends at Ctrl-C, from one of this process alone, as `kill` sends: a
 * child in the group, which does nothing else, is ended by the former.
 */
export class GroupWitness implements Disposable {
  #witness = start();
  #isDisposed = false;

  /** Whether the signal that this process has just been told went to its process group; false also where no witness can be started. */
  async hasSeen(signal: Deno.Signal): Promise<boolean> {
    const witness = this.#witness;
    if (witness === undefined) return false;
    // A signal of the group is pending for the witness by now, so it ends before it could answer.
    if (await answers(witness)) return false;
    if (this.#witness === witness) {
      release(witness);
      this.#witness = this.#isDisposed ? undefined : start();
    }
    return (await witness.status).signal === signal; // else something else has ended it before
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    if (this.#witness) release(this.#witness);
    this.#witness = undefined;
  }
}

interface Witness {
  readonly status: Promise<Deno.CommandStatus>;
  readonly to: WritableStreamDefaultWriter<Uint8Array>;
  readonly from: ReadableStreamDefaultReader<Uint8Array>;
}

function start(): Witness | undefined {
  try {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", WITNESS],
      clearEnv: true,
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    return { status: child.status, to: child.stdin.getWriter(), from: child.stdout.getReader() };
  } catch {
    return undefined;
  }
}

async function answers({ to, from }: Witness): Promise<boolean> {
  try {
    await to.write(new Uint8Array([1]));
    return !(await from.read()).done;
  } catch {
    return false; // nobody reads the pipe any more
  }
}

/** Its pipe ends, and it with that. */
function release({ to, from }: Witness): void {
  to.close().catch(() => {});
  from.cancel().catch(() => {});
}
