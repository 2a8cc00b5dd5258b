/** Which program on this machine has the far end of a connection: by the socket's inode, in the processes' open files. */
import { TokenBucket } from "../../async/token_bucket.ts";
import { type DiagSocket, SockDiag } from "../netlink/sock_diag.ts";
import type { Endpoint } from "../../net/address.ts";

export interface Program {
  readonly pid: number;
  /** As `ps` shows it: "node". */
  readonly name: string;
}

/** Both ends of a connection of this process, or of the datagrams that it gets and answers. */
export interface ConnectionEnds {
  /** TCP when absent. */
  readonly protocol?: "tcp" | "udp";
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** Programs that were found last are searched first: what fails mostly fails again. */
const REMEMBERED = 16;
/** The longest search, in milliseconds: enough for the newest processes, among which a short-lived program is. */
const SEARCH_MS = 10;
/** Searches in a burst, and a second in the long run: each blocks its thread. */
const SEARCHES = 4;
const SEARCHES_PER_SECOND = 2;
/** A search keeps what it saw for so many milliseconds: connections that break together mostly belong to one program. */
const SEEN_MS = 500;
/** `findAll` lets others have their turn after so many milliseconds. */
const TURN_MS = 2;
/** Characters of a name; `comm` has at most 15. */
const LONGEST_NAME = 32;

/** Finds programs of this user; those of others can't be looked into. Finds nothing in other network namespaces. */
export class SocketPrograms implements Disposable {
  #diag: SockDiag | undefined;
  /** The last one first. */
  #last: number[] = [];
  /** The process of each socket that the last searches saw, by inode. */
  readonly #seen = new Map<number, number>();
  #seenUntil = 0;
  readonly #searches = new TokenBucket(SEARCHES, SEARCHES_PER_SECOND);
  readonly #searchMs: number;

  constructor(searchMs: number = SEARCH_MS) {
    this.#searchMs = searchMs;
  }

  /**
   * Finds a program at once, and in bounded time: undefined also where that was not enough, and where too many were asked for. To be
   * called before the connection is closed or reset, since the kernel forgets the far end with it.
   */
  find(connection: ConnectionEnds): Program | undefined {
    const inode = this.#inode(connection);
    if (inode === undefined) return undefined;
    const now = performance.now();
    if (now > this.#seenUntil) this.#seen.clear();
    const seen = this.#seen.get(inode);
    if (seen !== undefined) return this.#found(seen);
    if (!this.#searches.take()) return undefined;
    const end = now + this.#searchMs;
    this.#seenUntil = now + SEEN_MS;
    for (const pid of this.#processes()) {
      let found = false;
      // The whole process is looked through as far as time allows, for the connections that break with this one.
      for (const socket of socketsOf(pid)) {
        if (socket !== undefined) this.#seen.set(socket, pid);
        found ||= socket === inode;
        if (performance.now() > end) return found ? this.#found(pid) : undefined;
      }
      if (found) return this.#found(pid);
    }
    return undefined;
  }

  /** The socket at the far end; undefined where none is open. Costs little: no process is looked at. */
  socketOf(ends: ConnectionEnds): DiagSocket | "unknown" | undefined {
    try {
      return this.#socket(ends);
    } catch {
      return "unknown"; // without sock_diag
    }
  }

  /** Finds the programs of many connections, in the order given, without keeping the thread. */
  async findAll(connections: readonly ConnectionEnds[]): Promise<(Program | undefined)[]> {
    const inodes = connections.map((connection) => this.#inode(connection));
    const left = new Set(inodes.filter((inode) => inode !== undefined));
    const programs = new Map<number, Program | undefined>();
    let turn = performance.now();
    for (const pid of left.size > 0 ? this.#processes() : []) {
      for (const inode of socketsOf(pid)) {
        if (inode !== undefined && left.delete(inode)) programs.set(inode, this.#found(pid));
        if (left.size === 0) break;
        if (performance.now() - turn < TURN_MS) continue;
        await new Promise((resolve) => setTimeout(resolve));
        turn = performance.now();
      }
      if (left.size === 0) break;
    }
    return inodes.map((inode) => inode === undefined ? undefined : programs.get(inode));
  }

  /** The processes in the order in which they are searched. */
  *#processes(): Generator<number> {
    const last = [...this.#last];
    yield* last;
    for (const pid of processIds()) if (!last.includes(pid)) yield pid;
  }

  /** The inode of the socket at the far end, if it is open and on this machine. */
  #inode(ends: ConnectionEnds): number | undefined {
    try {
      return this.#socket(ends)?.inode || undefined;
    } catch {
      return undefined; // without sock_diag, programs can't be found
    }
  }

  /** @throws {SystemCallError} without sock_diag */
  #socket({ protocol, local, remote }: ConnectionEnds): DiagSocket | undefined {
    const diag = this.#diag ??= new SockDiag();
    return protocol === "udp" ? diag.udpReceiver(remote, local) : diag.connection(remote, local);
  }

  #found(pid: number): Program | undefined {
    this.#last = [pid, ...this.#last.filter((one) => one !== pid)].slice(0, REMEMBERED);
    const name = programName(pid);
    return name === undefined ? undefined : { pid, name };
  }

  [Symbol.dispose](): void {
    this.#diag?.[Symbol.dispose]();
    this.#diag = undefined;
  }
}

/** All processes, the newest first. Ids start over when they are used up, so those above the last one are the older ones. */
export function processIds(): number[] {
  try {
    const last = Number(Deno.readTextFileSync("/proc/loadavg").trim().split(" ").at(-1));
    const ids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
    const isOlder = (pid: number) => Number(pid > last);
    return ids.sort((a, b) => isOlder(a) - isOlder(b) || b - a);
  } catch {
    return []; // without /proc, programs can't be found
  }
}

/** The inodes of a process's sockets, one after the other; undefined for each other descriptor, so that callers can stop anywhere. */
export function* socketsOf(pid: number): Generator<number | undefined> {
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      let inode: string | undefined;
      try {
        inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))?.[1];
      } catch {
        // It was closed meanwhile.
      }
      yield inode === undefined ? undefined : Number(inode);
    }
  } catch {
    // Another user's, or it has ended meanwhile.
  }
}

/**
 * The name of a process: `comm`, or the program's file where the main thread has another name (Node.js: "MainThread") or none.
 * Undefined when there is no such process.
 */
export function programName(pid: number): string | undefined {
  try {
    const comm = Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
    const name = comm === "" || comm === "MainThread"
      ? Deno.readLinkSync(`/proc/${pid}/exe`).split("/").at(-1) ?? comm
      : comm;
    return printableName(name);
  } catch {
    return undefined; // it has ended meanwhile
  }
}

/** A program's name that can be shown on a terminal: a program may call itself anything. */
export function printableName(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, "?").slice(0, LONGEST_NAME);
}
