/** Which program on this machine has the far end of a connection: by the socket's inode, in the processes' open files. */
import { TokenBucket } from "../../async/token_bucket.ts";
import { SockDiag } from "../netlink/sock_diag.ts";
import type { Endpoint } from "../../net/address.ts";

export interface Program {
  readonly pid: number;
  /** As `ps` shows it: "node". */
  readonly name: string;
}

/** Both ends of a connection of this process. */
export interface ConnectionEnds {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** Programs that were found last are looked at first: what fails mostly fails again. */
const REMEMBERED = 16;
/** One search, in milliseconds: enough for the newest processes, among which a short-lived program is. */
const SEARCH_MS = 10;
/** Searches at once, and a second in the long run: each keeps its thread busy. */
const SEARCHES = 4;
const SEARCHES_PER_SECOND = 2;
/** `findAll` lets others have their turn after so many milliseconds. */
const TURN_MS = 2;
/** Characters of a name; `comm` has at most 15. */
const LONGEST_NAME = 32;

/** Finds programs of this user; those of others can't be looked into. Finds nothing in other network namespaces. */
export class SocketPrograms implements Disposable {
  #diag: SockDiag | undefined;
  /** The last one first. */
  #last: number[] = [];
  readonly #searches = new TokenBucket(SEARCHES, SEARCHES_PER_SECOND);
  readonly #searchMs: number;

  constructor(searchMs: number = SEARCH_MS) {
    this.#searchMs = searchMs;
  }

  /**
   * Finds a program at once, in bounded time: undefined also where that was not enough. To be called before the connection is
   * closed or reset, since the kernel forgets the far end with it.
   */
  find(connection: ConnectionEnds): Program | undefined {
    const inode = this.#inode(connection);
    if (inode === undefined) return undefined;
    const wanted = new Set([inode]);
    for (const pid of this.#last) if (socketsOf(pid, wanted).length > 0) return this.#found(pid);
    if (!this.#searches.take()) return undefined;
    const end = performance.now() + this.#searchMs;
    for (const pid of processIds()) {
      if (socketsOf(pid, wanted).length > 0) return this.#found(pid);
      if (performance.now() > end) return undefined;
    }
    return undefined;
  }

  /** Finds the programs of many connections, in the order given, without keeping the thread. */
  async findAll(connections: readonly ConnectionEnds[]): Promise<(Program | undefined)[]> {
    const inodes = connections.map((connection) => this.#inode(connection));
    const left = new Set(inodes.filter((inode) => inode !== undefined));
    const programs = new Map<number, Program | undefined>();
    let turn = performance.now();
    for (const pid of left.size > 0 ? processIds() : []) {
      for (const inode of socketsOf(pid, left)) {
        left.delete(inode);
        programs.set(inode, this.#found(pid));
      }
      if (left.size === 0) break;
      if (performance.now() - turn < TURN_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      turn = performance.now();
    }
    return inodes.map((inode) => inode === undefined ? undefined : programs.get(inode));
  }

  /** Of the socket at the far end, if it is on this machine, and open. */
  #inode({ local, remote }: ConnectionEnds): number | undefined {
    try {
      this.#diag ??= new SockDiag();
      return this.#diag.connection(remote, local)?.inode || undefined;
    } catch {
      return undefined; // no sock_diag here: the program is not told
    }
  }

  #found(pid: number): Program | undefined {
    this.#last = [pid, ...this.#last.filter((one) => one !== pid)].slice(0, REMEMBERED);
    const name = nameOf(pid);
    return name === undefined ? undefined : { pid, name };
  }

  [Symbol.dispose](): void {
    this.#diag?.[Symbol.dispose]();
    this.#diag = undefined;
  }
}

/** The newest first. Numbers begin again when they are used up, so those above the last one are the older ones. */
function processIds(): number[] {
  try {
    const last = Number(Deno.readTextFileSync("/proc/loadavg").trim().split(" ").at(-1));
    const ids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
    const isOlder = (pid: number) => Number(pid > last);
    return ids.sort((a, b) => isOlder(a) - isOlder(b) || b - a);
  } catch {
    return []; // no /proc: programs can't be told
  }
}

/** Those of some sockets that a process has open. */
function socketsOf(pid: number, inodes: ReadonlySet<number>): number[] {
  const found: number[] = [];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))?.[1];
        if (inode !== undefined && inodes.has(Number(inode))) found.push(Number(inode));
      } catch {
        // Closed meanwhile.
      }
    }
  } catch {
    // Another user's, or gone meanwhile.
  }
  return found;
}

/** `comm`, or the program's file where the main thread has another name (Node.js: "MainThread") or none. */
function nameOf(pid: number): string | undefined {
  try {
    const comm = Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
    const name = comm === "" || comm === "MainThread"
      ? Deno.readLinkSync(`/proc/${pid}/exe`).split("/").at(-1) ?? comm
      : comm;
    return name.replace(/[^\x20-\x7e]/g, "?").slice(0, LONGEST_NAME);
  } catch {
    return undefined; // gone meanwhile
  }
}
