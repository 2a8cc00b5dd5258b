import type { Clock } from "../async/clock.ts";
import type { ConnectionEnds, Program, SocketPrograms } from "../ffi/proc/socket_program.ts";

/** Between two looks at the open flows, in milliseconds: a flow gets its program at the second one that sees it. */
const LOOK_MS = 500;
/** Flows whose programs are searched at a time; the others wait for the next look. */
const MOST_SEARCHED = 100;

/** A flow whose program is to be known. */
export interface WatchedFlow {
  /** The connection at whose far end the program is; undefined until there is one. */
  readonly socket: ConnectionEnds | undefined;
  program: Program | undefined;
  /** How often it was seen; its program is searched once, the second time. */
  looks: 0 | 1 | 2;
}

/**
 * Finds the programs of flows that stay open for a while. When a program itself resets its connection, or ends, the kernel has
 * forgotten whose it was before anybody hears of it. Short flows cost nothing.
 */
export class ProgramWatch {
  readonly #open: ReadonlySet<WatchedFlow>;
  readonly #programs: Pick<SocketPrograms, "findAll">;
  readonly #clock: Clock;
  #next: Disposable | undefined;

  constructor(open: ReadonlySet<WatchedFlow>, programs: Pick<SocketPrograms, "findAll">, clock: Clock) {
    this.#open = open;
    this.#programs = programs;
    this.#clock = clock;
  }

  /** A flow was opened. */
  begin(): void {
    this.#next ??= this.#clock.after(LOOK_MS, this.#look);
  }

  /** No flow is open any more. */
  end(): void {
    this.#next?.[Symbol.dispose]();
    this.#next = undefined;
  }

  readonly #look = (): void => {
    this.#next = undefined;
    const due: WatchedFlow[] = [];
    let others = false;
    for (const flow of this.#open) {
      if (flow.looks === 2) continue;
      if (flow.looks === 0 || due.length === MOST_SEARCHED) {
        flow.looks = 1;
        others = true;
      } else {
        flow.looks = 2;
        if (flow.program === undefined) due.push(flow);
      }
    }
    if (others) this.begin();
    if (due.length > 0) this.#find(due).catch(() => {}); // without sock_diag or /proc there are no programs to show
  };

  async #find(flows: readonly WatchedFlow[]): Promise<void> {
    const found = flows.filter(({ socket }) => socket !== undefined);
    const programs = await this.#programs.findAll(found.flatMap(({ socket }) => socket ?? []));
    found.forEach((flow, i) => flow.program ??= programs[i]);
  }
}
