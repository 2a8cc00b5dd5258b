/**
 * The streams of one tunnel by their callers. A caller that leaves unread what a laptop sends it fills the tunnel's buffers, and
 * the laptop can send nobody else anything: before that comes to pass, streams of that caller are reset.
 */
import { DEFAULT_LIMITS, ErrorCode, type Stream } from "../../hbone/mod.ts";

/** Bytes that a tunnel's streams may have unread, of all that it buffers, and what is left of them then. */
const FULL = DEFAULT_LIMITS.buffered * 7 / 8;
const RELIEVED = DEFAULT_LIMITS.buffered / 2;

type UnreadStream = Pick<Stream, "unread" | "closed" | "reset">;

/** What was reset. */
export interface Relieved {
  readonly caller: string;
  readonly streams: number;
}

export class UnreadStreams {
  readonly #full: number;
  readonly #relieved: number;
  readonly #callers = new Map<string, Set<UnreadStream>>();
  /** Those that have ended: they stay as long as something of them isn't read. */
  readonly #ended = new WeakSet<UnreadStream>();

  /** @param full bytes from which on streams are reset, until there are no more than `relieved` */
  constructor(full: number = FULL, relieved: number = RELIEVED) {
    this.#full = full;
    this.#relieved = relieved;
  }

  /** Callers that have streams. */
  get callers(): number {
    return this.#callers.size;
  }

  add(caller: string, stream: UnreadStream): void {
    const streams = this.#callers.get(caller);
    if (streams) streams.add(stream);
    else this.#callers.set(caller, new Set([stream]));
    stream.closed.then(() => {
      if (stream.unread === 0) this.#forget(caller, stream);
      else this.#ended.add(stream);
    });
  }

  /** Where too much is unread, resets the fullest streams of the callers that leave most of it. To be called often. */
  relieve(): Relieved[] {
    const unread = new Map<string, number>();
    let total = 0;
    for (const [caller, streams] of this.#callers) {
      let bytes = 0;
      for (const stream of streams) {
        if (stream.unread > 0) bytes += stream.unread;
        else if (this.#ended.has(stream)) this.#forget(caller, stream);
      }
      if (bytes > 0) unread.set(caller, bytes);
      total += bytes;
    }
    return total < this.#full ? [] : this.#reset(unread, total - this.#relieved);
  }

  /** Resets streams until so many bytes less are unread: always of the caller that has most of what is left. */
  #reset(unread: Map<string, number>, excess: number): Relieved[] {
    const fullest = new Map<string, UnreadStream[]>();
    const counts = new Map<string, number>();
    while (excess > 0) {
      const [caller] = [...unread].reduce((most, one) => one[1] > most[1] ? one : most, ["", 0]);
      let streams = fullest.get(caller);
      if (!streams) {
        // The fullest one last.
        streams = [...this.#callers.get(caller) ?? []].sort((a, b) => a.unread - b.unread);
        fullest.set(caller, streams);
      }
      const stream = streams.pop();
      if (stream === undefined) break;
      const bytes = stream.unread;
      stream.reset(ErrorCode.ENHANCE_YOUR_CALM);
      this.#forget(caller, stream);
      counts.set(caller, (counts.get(caller) ?? 0) + 1);
      unread.set(caller, (unread.get(caller) ?? 0) - bytes);
      excess -= bytes;
    }
    return [...counts].map(([caller, streams]) => ({ caller, streams }));
  }

  #forget(caller: string, stream: UnreadStream): void {
    const streams = this.#callers.get(caller);
    streams?.delete(stream);
    if (streams?.size === 0) this.#callers.delete(caller);
  }
}
