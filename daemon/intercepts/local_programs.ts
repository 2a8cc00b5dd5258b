import { type Clock, systemClock } from "../../async/clock.ts";
import { sleep } from "../../async/sleep.ts";
import { type LocalEnd, type ProgramState, programState } from "./local_program.ts";

/** Between two looks at the same program, in milliseconds. */
const EVERY_MS = 1_000;

/** What is known of one program. */
interface Known {
  state: ProgramState;
  /** RFC 3339; when it was first seen silent. */
  since: string;
}

/** What LocalPrograms needs; the machine's own where absent. */
export interface LocalProgramsParts {
  /** The places that intercepts lead to now. */
  readonly wanted: () => readonly LocalEnd[];
  readonly look?: (end: LocalEnd) => Promise<ProgramState>;
  readonly clock?: Clock;
}

/** Follows whether something listens where intercepts lead: a program may end, and another may take its place. */
export class LocalPrograms implements Disposable {
  readonly #wanted: () => readonly LocalEnd[];
  readonly #look: (end: LocalEnd) => Promise<ProgramState>;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #ending = new AbortController();
  #following: Promise<void> | undefined;

  constructor({ wanted, look = programState, clock = systemClock }: LocalProgramsParts) {
    this.#wanted = wanted;
    this.#look = look;
    this.#clock = clock;
  }

  /** Since when nothing listens there; undefined when something does, or when it wasn't looked at yet. */
  silentSince(end: LocalEnd): string | undefined {
    const known = this.#known.get(keyOf(end));
    return known?.state === "silent" ? known.since : undefined;
  }

  /** Looks once at all, and follows them from now on. */
  async look(): Promise<void> {
    const wanted = new Map(this.#wanted().map((end) => [keyOf(end), end]));
    for (const key of this.#known.keys()) if (!wanted.has(key)) this.#known.delete(key);
    await Promise.all(
      [...wanted].map(async ([key, end]) => {
        const before = this.#known.get(key);
        // What isn't this machine's own is dialled once: each look would be one more connection there.
        if (before?.state === "elsewhere") return;
        const state = await this.#look(end).catch(() => before?.state ?? "listening"); // it can't be told
        if (state !== before?.state) this.#known.set(key, { state, since: new Date().toISOString() });
      }),
    );
    if (wanted.size > 0 && !this.#ending.signal.aborted) this.#following ??= this.#follow();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ending;
    while (this.#wanted().length > 0) {
      await sleep(EVERY_MS, signal, this.#clock);
      if (signal.aborted) return;
      await this.look();
    }
    this.#following = undefined;
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
  }
}

function keyOf({ host, port, protocol }: LocalEnd): string {
  return `${host} ${port}${protocol === undefined ? "" : ` ${protocol}`}`;
}
