import type { UserRule } from "../ffi/netlink/rule.ts";
import { programPath } from "./programs.ts";

/** What outlives a helper that is killed. */
export interface Leftovers {
  readonly rules: readonly UserRule[];
  /** pmz's addresses: connections from and to them are reset. */
  readonly addresses: readonly string[];
}

/**
 * `/bin/sh` that waits on a pipe of the helper's and cleans up when that breaks, however the helper ended. The helper
 * leaves it to the janitor in any case, so that there's one way only. One that is killed is replaced.
 */
export class Janitor implements AsyncDisposable {
  readonly #script: string;
  readonly #onReplaced: () => void;
  #child: Deno.ChildProcess;
  #ending = false;

  /** @throws {ProgramMissing} without sh, ip or ss */
  constructor(leftovers: Leftovers, onReplaced: () => void = () => {}) {
    this.#script = cleaning(leftovers, programPath("ip"), programPath("ss"));
    this.#onReplaced = onReplaced;
    this.#child = this.#start();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Has it clean up, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const child = this.#child;
    await child.stdin.close().catch(() => {});
    await child.status;
  }

  #start(): Deno.ChildProcess {
    const child = new Deno.Command(programPath("sh"), {
      args: ["-c", this.#script],
      clearEnv: true,
      cwd: "/",
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    void child.status.then(async () => {
      await child.stdin.close().catch(() => {});
      if (this.#ending) return;
      this.#child = this.#start();
      this.#onReplaced();
    });
    return child;
  }
}

/** Waits for the end of the pipe; what is gone already is no error. Nothing in it comes from a daemon. */
function cleaning({ rules, addresses }: Leftovers, ip: string, ss: string): string {
  const selectors = rules.map(({ family, priority, table, uids }) =>
    `-${family} rule del pref ${priority} iif lo uidrange ${uids.first}-${uids.last} lookup ${table}`
  );
  return [
    "trap '' HUP INT TERM",
    "while read -r line; do :; done",
    ...selectors.map((selector) => `while ${ip} ${selector}; do :; done`),
    ...addresses.flatMap((address) => [`${ss} -aK src ${address}`, `${ss} -aK dst ${address}`]),
  ].join("\n");
}
