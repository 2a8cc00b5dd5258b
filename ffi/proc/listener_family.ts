/**
 * Whether a connection comes from the program that listens on a port of this machine, or from a process that it started: such a
 * program that is dialled for each of its own connections would dial itself for ever.
 */
import { parseAddress } from "../../net/address.ts";
import { ownAddresses } from "../../net/own_addresses.ts";
import { SockDiag } from "../netlink/sock_diag.ts";
import { takes } from "./listening_sockets.ts";
import { type ConnectionEnds, processIds, socketsOf } from "./socket_program.ts";

/** Milliseconds for which the processes that hold a listening socket are remembered; those that they start are looked for each time. */
const HOLDERS_MS = 5_000;
/** Processes of one family that are looked at. */
const LARGEST = 1_000;
/** A search lets others have their turn after so many milliseconds. */
const TURN_MS = 2;

/** Where a program listens. */
export interface ListeningPlace {
  /** As it is dialled: an address, one of several of a host. */
  readonly addresses: readonly string[];
  readonly port: number;
}

/** The processes that hold a listening socket. */
interface Holders {
  readonly pids: readonly number[];
  readonly until: number;
}

/** A connection whose family is asked for. */
interface Question {
  readonly client: number;
  readonly listeners: readonly number[];
  readonly answer: (isFamily: boolean) => void;
}

/** Sees the processes of this user. Those of others, and of containers that share no processes with it, are never found. */
export class ListenerFamilies implements Disposable {
  #diag: SockDiag | undefined;
  readonly #holders = new Map<number, Holders>();
  /** Questions that wait for the search that is under way: the next one answers all of them. */
  #waiting: Question[] = [];
  #searching = false;

  /**
   * Whether the far end of a connection belongs to a process that holds the socket that listens there, or to one that such a
   * process has started in its own session: not to a shell on a terminal that the program offers. False where it can't be told.
   */
  async isFrom(connection: ConnectionEnds, place: ListeningPlace): Promise<boolean> {
    let client: number;
    let listeners: number[];
    try {
      this.#diag ??= new SockDiag();
      listeners = this.#listenersAt(this.#diag, place);
      client = this.#diag.connection(connection.remote, connection.local)?.inode ?? 0;
    } catch {
      return false; // without sock_diag it can't be told
    }
    if (client === 0 || listeners.length === 0) return false;
    return await new Promise((answer) => {
      this.#waiting.push({ client, listeners, answer });
      if (!this.#searching) void this.#search();
    });
  }

  #listenersAt(diag: SockDiag, { addresses, port }: ListeningPlace): number[] {
    const isOwn = ownAddresses();
    const own = addresses.filter(isOwn).flatMap((text) => parseAddress(text) ?? []);
    return diag.listenersOn(port)
      .filter((socket) => socket.inode !== 0 && own.some((address) => takes(socket, address)))
      .map(({ inode }) => inode);
  }

  /** Answers all questions, those that come meanwhile together. */
  async #search(): Promise<void> {
    this.#searching = true;
    while (this.#waiting.length > 0) {
      const questions = this.#waiting;
      this.#waiting = [];
      const byListeners = Map.groupBy(questions, ({ listeners }) => listeners.join());
      for (const alike of byListeners.values()) {
        const sockets = await this.#socketsOfFamily(alike[0]?.listeners ?? []).catch(() => new Set<number>());
        for (const { client, answer } of alike) answer(sockets.has(client));
      }
    }
    this.#searching = false;
  }

  /** The sockets of all processes of a family. */
  async #socketsOfFamily(listeners: readonly number[]): Promise<Set<number>> {
    const turns = new Turns();
    const family = new Set<number>();
    for (const listener of listeners) {
      for (const pid of await this.#holdersOf(listener, turns)) {
        const session = sessionOf(pid);
        if (session !== undefined) await addDescendants(family, pid, session, turns);
      }
    }
    const sockets = new Set<number>();
    for (const pid of family) {
      for (const socket of socketsOf(pid)) {
        if (socket !== undefined) sockets.add(socket);
        if (turns.isOver) await turns.next();
      }
    }
    return sockets;
  }

  async #holdersOf(listener: number, turns: Turns): Promise<readonly number[]> {
    const now = performance.now();
    for (const [inode, { until }] of this.#holders) if (until < now) this.#holders.delete(inode);
    const known = this.#holders.get(listener);
    if (known) return known.pids;
    const pids: number[] = [];
    for (const pid of processIds()) {
      for (const socket of socketsOf(pid)) {
        if (turns.isOver) await turns.next();
        if (socket !== listener) continue;
        pids.push(pid);
        break;
      }
    }
    this.#holders.set(listener, { pids, until: performance.now() + HOLDERS_MS });
    return pids;
  }

  [Symbol.dispose](): void {
    this.#diag?.[Symbol.dispose]();
    this.#diag = undefined;
  }
}

/** Gives the thread to others from time to time. */
class Turns {
  #end = performance.now() + TURN_MS;

  get isOver(): boolean {
    return performance.now() > this.#end;
  }

  async next(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    this.#end = performance.now() + TURN_MS;
  }
}

/** Adds a process, and those that it and they have started in a session. */
async function addDescendants(
  family: Set<number>,
  pid: number,
  session: number,
  turns: Turns,
): Promise<void> {
  for (const next = [pid]; next.length > 0 && family.size < LARGEST;) {
    const one = next.pop();
    if (one === undefined || family.has(one) || sessionOf(one) !== session) continue;
    family.add(one);
    next.push(...childrenOf(one));
    if (turns.isOver) await turns.next();
  }
}

/** The processes that one has started; none where the kernel has no such list (CONFIG_PROC_CHILDREN). */
function childrenOf(pid: number): number[] {
  try {
    const threads = [...Deno.readDirSync(`/proc/${pid}/task`)];
    return threads.flatMap(({ name }) =>
      Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).split(" ").map(Number).filter((one) =>
        one > 0
      )
    );
  } catch {
    return []; // it has ended meanwhile
  }
}

/** The session of a process (man 5 proc_pid_stat); undefined when it has ended. */
function sessionOf(pid: number): number | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name, in parentheses, may contain anything. State, parent and group come before the session.
    const [, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(session);
  } catch {
    return undefined;
  }
}
