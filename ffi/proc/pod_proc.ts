/**
 * Finds pods in the host's /proc, for which a mount of it is enough: no host PID namespace is needed. A process id can
 * belong to another process a moment later, so a process is held as an open directory (/proc/PID), which keeps meaning the
 * process that it was opened for and fails once that has ended.
 */
import { isGone, readProcFile } from "./proc_file.ts";
import { Netns } from "./netns.ts";
import { cstring, libc, must, O_CLOEXEC } from "../libc.ts";
import { addressesOf } from "./netns_addresses.ts";
import { hasEnded, nameOfStat, podOfCgroup, startOfStat } from "./pod_cgroup.ts";

const O_DIRECTORY = 0x10000;
const O_PATH = 0x200000;

/** A process that may be a pod's. */
export interface Candidate {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly start: bigint;
  /** `comm`: at most 15 characters, which the process itself can change. */
  readonly name: string;
}

/** The processes of some pods, by the pod's UID, the oldest first: that is the sandbox's own, where it has one. */
export function findPods(hostProc: string, wanted: ReadonlySet<string>): Map<string, Candidate[]> {
  const found = new Map<string, Candidate[]>();
  for (const pid of processIds(hostProc)) {
    try {
      const uid = podOfCgroup(readProcFile(`${hostProc}/${pid}/cgroup`));
      if (uid === undefined || !wanted.has(uid)) continue;
      const stat = readProcFile(`${hostProc}/${pid}/stat`);
      const candidate = { pid, start: startOfStat(stat), name: nameOfStat(stat) };
      const list = found.get(uid);
      if (list) list.push(candidate);
      else found.set(uid, [candidate]);
    } catch {
      // It has ended meanwhile.
    }
  }
  for (const list of found.values()) list.sort((a, b) => a.start < b.start ? -1 : a.start > b.start ? 1 : 0);
  return found;
}

/** Whether a process is still there, and no zombie. */
export function isRunning(hostProc: string, { pid, start }: Candidate): boolean {
  try {
    const stat = readProcFile(`${hostProc}/${pid}/stat`);
    return startOfStat(stat) === start && !hasEnded(stat);
  } catch {
    return false;
  }
}

/** What a process is called. */
export interface ProcessName {
  /** `comm`: at most 15 characters. */
  readonly name: string;
  /** Its command line; empty for the kernel's own. */
  readonly args: readonly string[];
}

/** The ids of processes of the node itself, in no pod, that are called so. */
export function findOutsidePods(hostProc: string, isIt: (process: ProcessName) => boolean): number[] {
  return processIds(hostProc).filter((pid) => {
    try {
      const name = nameOfStat(readProcFile(`${hostProc}/${pid}/stat`));
      const args = readProcFile(`${hostProc}/${pid}/cmdline`).split("\0").slice(0, -1);
      return isIt({ name, args }) && podOfCgroup(readProcFile(`${hostProc}/${pid}/cgroup`)) === undefined;
    } catch {
      return false; // gone meanwhile
    }
  });
}

/** Whether a process has the socket with this inode open. Needs SYS_PTRACE for another user's process. */
export function holdsSocket(hostProc: string, pid: number, inode: number): boolean {
  const folder = `${hostProc}/${pid}/fd`;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      try {
        if (Deno.readLinkSync(`${folder}/${name}`) === `socket:[${inode}]`) return true;
      } catch {
        // It was closed meanwhile.
      }
    }
  } catch {
    // It has ended meanwhile.
  }
  return false;
}

/** A pod's network namespace, and the process by which it was found. */
export class Sandbox implements Disposable {
  readonly netns: Netns;
  #fd: number;

  /**
   * Opens the network namespace of a process that has to be this pod's, before and after.
   * @param others Inodes of the namespaces that it must not be: the host's, this process's own, other pods'.
   * @throws when it isn't the pod's process (any more), or its namespace is one of the others.
   */
  constructor(hostProc: string, uid: string, { pid, start }: Candidate, others: ReadonlySet<number>) {
    using owned = new DisposableStack();
    const path = `${hostProc}/${pid}`;
    this.#fd = must(`opening ${path}`, libc.open(cstring(path), O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
    owned.defer(() => libc.close(this.#fd));
    this.#check(uid, start);
    this.netns = owned.use(new Netns(`${this.#folder}/ns/net`));
    this.#check(uid, start);
    if (others.has(this.netns.inode)) {
      throw new Error(`process ${pid} of pod ${uid} isn't in a network namespace of its pod's own`);
    }
    owned.move();
  }

  /** Whether the process is still there; a zombie isn't. */
  get alive(): boolean {
    try {
      return !hasEnded(readProcFile(`${this.#folder}/stat`));
    } catch {
      return false;
    }
  }

  /** The addresses of the namespace, loopback apart. @throws when the process is gone. */
  addresses(): string[] {
    return addressesOf(`${this.#folder}/net`);
  }

  /** The names of the tables that iptables-legacy has in the namespace. @throws when the process is gone. */
  legacyTables(family: 4 | 6): string[] {
    try {
      return readProcFile(`${this.#folder}/net/${family === 4 ? "ip" : "ip6"}_tables_names`).split("\n");
    } catch (error) {
      if (isGone(error)) return []; // a kernel without them, or one in which nobody has used them
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.netns[Symbol.dispose]();
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }

  get #folder(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  #check(uid: string, start: bigint): void {
    const isPods = podOfCgroup(readProcFile(`${this.#folder}/cgroup`)) === uid;
    if (!isPods || startOfStat(readProcFile(`${this.#folder}/stat`)) !== start) {
      throw new Error(`that process isn't pod ${uid}'s any more`);
    }
  }
}

function processIds(hostProc: string): number[] {
  return [...Deno.readDirSync(hostProc)].map(({ name }) => name).filter((name) => /^[0-9]+$/.test(name)).map(
    Number,
  );
}
