import { sleep } from "../../async/sleep.ts";
import { KubeconfigError, messageOf } from "./kubeconfig_error.ts";

/** A program that changes a kubeconfig does so at once; a lock that stays is one that was left behind. In milliseconds. */
const WAIT_MS = 5_000;
const EVERY_MS = 50;

/**
 * Locks a kubeconfig as kubectl and other programs of client-go do: by a file FILE.lock that only one of them can create.
 *
 * @throws {KubeconfigError} when another program has it for longer than 5 s, or the folder can't be written to
 */
export async function lockKubeconfig(file: string, waitMs = WAIT_MS): Promise<AsyncDisposable> {
  const path = `${file}.lock`;
  for (const end = performance.now() + waitMs;;) {
    try {
      Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
      return { [Symbol.asyncDispose]: () => Deno.remove(path).catch(() => {}) };
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AlreadyExists)) {
        throw new KubeconfigError(`Can't lock the kubeconfig ${file}: ${messageOf(cause)}`, { cause });
      }
      if (performance.now() > end) {
        throw new KubeconfigError(
          `${path} is there for longer than ${waitMs / 1000} s: another program changes the kubeconfig`,
          {
            hint: `if none does, remove it: rm ${path}`,
          },
        );
      }
      await sleep(EVERY_MS);
    }
  }
}
