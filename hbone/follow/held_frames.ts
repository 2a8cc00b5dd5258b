import { Flag, FRAME_FLAGS, FRAME_HEADER, FrameType, writeFrameHeader } from "../frames/frame.ts";

/** Bytes of memory that a frame which waits costs about, beyond its own. */
export const FRAME_COST = 200;

/** A frame that waits, or, of a header block, several. */
interface HeldFrame {
  readonly type: number;
  readonly stream: number;
  bytes: Uint8Array;
  /** Bytes that have come of it. */
  filled: number;
  /** Whether a frame follows that belongs to it. */
  continues: boolean;
  /** Bytes of the caller's window that it takes. */
  readonly cost: number;
}

/**
 * Frames of one sender that wait since the caller's window has no room for DATA: in order, as far as anyone could see another one.
 * Header blocks wait for header blocks, as they share a table; PING and WINDOW_UPDATE wait for nothing.
 */
export class HeldFrames {
  /** Bytes that are held, and that this costs. */
  bytes = 0;
  #frames: HeldFrame[] = [];
  /** How many of a stream's frames are held. */
  readonly #streams = new Map<number, number>();
  #headers = 0;

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /** Streams that have frames here. */
  get streams(): number[] {
    return [...this.#streams.keys()];
  }

  /** Whether a frame has to wait for others, whatever the window is. */
  precede(type: number, stream: number): boolean {
    if (this.#frames.length === 0) return false;
    switch (type) {
      case FrameType.DATA:
        return true;
      case FrameType.HEADERS:
      case FrameType.PUSH_PROMISE:
        return this.#headers > 0 || this.#streams.has(stream);
      case FrameType.RST_STREAM:
        return this.#streams.has(stream);
      case FrameType.SETTINGS:
        return this.#headers > 0;
      default:
        return false;
    }
  }

  /**
   * Adds a frame; `fill` adds its bytes.
   * @param continues whether further frames belong to it, which `extend` adds
   */
  hold(type: number, stream: number, length: number, continues = false): void {
    this.#frames.push({
      type,
      stream,
      bytes: new Uint8Array(length),
      filled: 0,
      continues,
      cost: type === FrameType.DATA ? length - FRAME_HEADER : 0,
    });
    this.bytes += length + FRAME_COST;
    this.#streams.set(stream, (this.#streams.get(stream) ?? 0) + 1);
    if (isHeaders(type)) this.#headers++;
  }

  /** Adds a frame that belongs to the last one. */
  extend(length: number, continues: boolean): void {
    const last = this.#frames.at(-1);
    if (last === undefined) return;
    const bytes = new Uint8Array(last.bytes.length + length);
    bytes.set(last.bytes);
    last.bytes = bytes;
    last.continues = continues;
    this.bytes += length;
  }

  /** Adds bytes of the last frame. */
  fill(bytes: Uint8Array): void {
    const last = this.#frames.at(-1);
    if (last === undefined) return;
    last.bytes.set(bytes, last.filled);
    last.filled += bytes.length;
  }

  /**
   * Sends what fits into the window.
   * @returns how many bytes of it that took
   */
  release(window: number, send: (frame: Uint8Array) => void): number {
    let used = 0;
    let gone = 0;
    for (const first of this.#frames) {
      if (first.continues || first.filled < first.bytes.length) break;
      const room = window - used;
      if (first.cost > 0 && first.cost > room) {
        const cut = room > 0 ? divided(first, room) : undefined;
        if (cut === undefined) break;
        send(cut.first);
        used += room;
        this.bytes -= room;
        this.#frames[gone] = cut.rest;
        break;
      }
      gone++;
      used += first.cost;
      this.#leave(first);
      send(first.bytes);
    }
    if (gone > 0) this.#frames = this.#frames.slice(gone);
    return used;
  }

  clear(): void {
    this.#frames = [];
    this.#streams.clear();
    this.#headers = 0;
    this.bytes = 0;
  }

  #leave({ type, stream, bytes }: HeldFrame): void {
    this.bytes -= bytes.length + FRAME_COST;
    if (isHeaders(type)) this.#headers--;
    const left = (this.#streams.get(stream) ?? 1) - 1;
    if (left > 0) this.#streams.set(stream, left);
    else this.#streams.delete(stream);
  }
}

function isHeaders(type: number): boolean {
  return type === FrameType.HEADERS || type === FrameType.PUSH_PROMISE;
}

/** DATA as two frames, the first with so many bytes: as its sender would have sent it, had it known the window. */
function divided({ type, stream, bytes, cost }: HeldFrame, room: number) {
  const flags = bytes[FRAME_FLAGS] ?? 0;
  if (type !== FrameType.DATA || (flags & Flag.PADDED) !== 0) return undefined;
  const first = bytes.slice(0, FRAME_HEADER + room);
  writeFrameHeader(first, 0, room, type, flags & ~Flag.END_STREAM, stream);
  const rest = bytes.slice(room);
  writeFrameHeader(rest, 0, cost - room, type, flags, stream);
  return {
    first,
    rest: { type, stream, bytes: rest, filled: rest.length, continues: false, cost: cost - room },
  };
}
