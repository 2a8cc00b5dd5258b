/** For tests: a link with a rate and a distance, as between a laptop and a cluster far away. */
import type { AbortableTransport } from "../../net/transport.ts";

export interface Link {
  readonly roundTripMs: number;
  readonly bytesPerSecond: number;
}

/** Bytes that travel together. */
const PACKET = 16 * 1024;
/** Milliseconds' worth of bytes that wait to be sent before writes wait. */
const QUEUE_MS = 20;

/** Two ends of a link. */
export function linkPair(link: Link): [AbortableTransport, AbortableTransport] {
  const forth = new Line(link);
  const back = new Line(link);
  return [end(back, forth), end(forth, back)];
}

function end(incoming: Line, outgoing: Line): AbortableTransport {
  return {
    read: (into) => incoming.read(into),
    write: (bytes) => outgoing.write(bytes),
    closeWrite() {
      outgoing.end();
      return Promise.resolve();
    },
    close() {
      outgoing.end();
      incoming.cut(new Error("the link was closed by its reader"));
    },
    abort(reason = new Error("the link was cut")) {
      outgoing.cut(reason);
      incoming.cut(reason);
    },
  };
}

/** One direction. */
class Line {
  readonly #delayMs: number;
  readonly #bytesPerMs: number;
  readonly #packets: { bytes: Uint8Array; arrives: number }[] = [];
  /** When all that was written will have left. */
  #free = 0;
  #ended = false;
  #error: Error | undefined;
  #changed = Promise.withResolvers<void>();

  constructor({ roundTripMs, bytesPerSecond }: Link) {
    this.#delayMs = roundTripMs / 2;
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const length = this.#arrived(into);
      if (length > 0) return length;
      const next = this.#packets[0];
      if (next !== undefined) await this.#wait(next.arrives - performance.now());
      else if (this.#ended) return null;
      else await this.#changed.promise;
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) throw new Error("the link's sending side has ended");
      const now = performance.now();
      if (this.#free - now > QUEUE_MS) {
        await this.#wait(this.#free - now - QUEUE_MS);
        continue;
      }
      const packet = bytes.slice(0, PACKET);
      this.#free = Math.max(now, this.#free) + packet.length / this.#bytesPerMs;
      this.#packets.push({ bytes: packet, arrives: this.#free + this.#delayMs });
      this.#change();
      return packet.length;
    }
  }

  end(): void {
    this.#ended = true;
    this.#change();
  }

  cut(error: Error): void {
    this.#error ??= error;
    this.#change();
  }

  #arrived(into: Uint8Array): number {
    const now = performance.now();
    let length = 0;
    for (
      let packet = this.#packets[0];
      packet !== undefined && packet.arrives <= now;
      packet = this.#packets[0]
    ) {
      const part = packet.bytes.subarray(0, into.length - length);
      into.set(part, length);
      length += part.length;
      packet.bytes = packet.bytes.subarray(part.length);
      if (packet.bytes.length > 0) break;
      this.#packets.shift();
    }
    return length;
  }

  /** Until then, or until the line was cut. */
  async #wait(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const until = performance.now() + ms;
    while (this.#error === undefined && performance.now() < until) {
      const later = new Promise<void>((resolve) =>
        timer = setTimeout(resolve, Math.ceil(until - performance.now()))
      );
      await Promise.race([later, this.#changed.promise]);
      clearTimeout(timer);
    }
  }

  #change(): void {
    const changed = this.#changed;
    this.#changed = Promise.withResolvers();
    changed.resolve();
  }
}
