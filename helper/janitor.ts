import type { Rule } from "../ffi/netlink/rule.ts";
import { findProgram, programPath } from "./programs.ts";

/** What stays when a helper is killed. */
export interface Leftovers {
  readonly rules: readonly Rule[];
  /** pmz's addresses: connections from and to them are reset. */
  readonly addresses: readonly string[];
  /** A table of nftables, which is there while a trace runs: see `tracing`. */
  readonly nftTable: string;
}

/** What the helper writes into the pipe before its first trace. */
const TRACES = "traces";

/**
 * A `/bin/sh` that waits on a pipe from the helper and cleans up when that closes, however the helper ended. The helper never cleans
 * up by itself, so that there is one way only. A janitor that is killed is replaced.
 */
export class Janitor implements AsyncDisposable {
  readonly #script: string;
  readonly #onReplaced: () => void;
  #child: Deno.ChildProcess;
  #ending = false;
  #traces = false;

  /** @throws {ProgramMissing} without sh, ip or ss */
  constructor(leftovers: Leftovers, onReplaced: () => void = () => {}) {
    this.#script = cleaning(leftovers, programPath("ip"), programPath("ss"), findProgram("nft"));
    this.#onReplaced = onReplaced;
    this.#child = this.#start();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Says that nftables' table is made from now on. Where nothing was ever traced, nft isn't run: it would load the kernel's modules on
   * machines without nftables. Settles when the janitor has been told.
   */
  async tracing(): Promise<void> {
    if (this.#traces) return;
    this.#traces = true;
    await tell(this.#child);
  }

  /** Lets the janitor clean up, and waits until it has. */
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
    if (this.#traces) void tell(child);
    return child;
  }
}

/** A janitor that was killed meanwhile is told by its successor's start. */
async function tell({ stdin }: Deno.ChildProcess): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(`${TRACES}\n`));
  } catch {
    /* it has been killed */
  } finally {
    writer.releaseLock();
  }
}

/** The script: it waits for the end of the pipe, and ignores what is gone already. Nothing in it comes from a daemon. */
function cleaning(
  { rules, addresses, nftTable }: Leftovers,
  ip: string,
  ss: string,
  nft: string | undefined,
): string {
  const deletions = (some: readonly Rule[]) =>
    some.map((rule) => `while ${ip} -${rule.family} rule del ${selectorOf(rule)}; do :; done`);
  return [
    "trap '' HUP INT TERM",
    "said=",
    "while read -r line; do said=$line; done",
    // First, so that nothing with pmz's source leaves for the LAN as long as there are connections.
    ...addresses.map(hostOf).flatMap((host) => [`${ss} -aK src ${host}`, `${ss} -aK dst ${host}`]),
    ...deletions(rules.filter(({ from }) => from)),
    // Last, since they say whose the table is, should this be killed too.
    ...deletions(rules.filter(({ from }) => !from)),
    ...nft === undefined ? [] : [`[ "$said" != ${TRACES} ] || ${nft} delete table inet ${nftTable}`],
  ].join("\n");
}

/** An address as ss has it, which takes what is behind the last colon for a port; quoted, since it would be a pattern of files. */
function hostOf(address: string): string {
  return address.includes(":") ? `'[${address}]'` : address;
}

/** A rule as `ip rule` has it, at whatever priority it is. */
function selectorOf({ from, uids, action, table }: Rule): string {
  return [
    "iif lo",
    ...from ? [`from ${from.text}`] : [],
    ...uids ? [`uidrange ${uids.first}-${uids.last}`] : [],
    action === "lookup" ? `lookup ${table}` : action,
  ].join(" ");
}
