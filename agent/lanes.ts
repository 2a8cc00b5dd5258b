import { closeQuietly } from "../net/close_quietly.ts";
import { LaneReceiver } from "../hbone/mod.ts";
import { JOINED, type Lane, LANE_OPENING, parseLaneOpening } from "../wire/lanes.ts";
import type { Transport } from "../net/transport.ts";

/** Lanes that wait for their counterpart, or haven't sent their opening yet. */
const MOST_WAITING = 256;
/** Milliseconds from a lane's arrival until it is closed, unless it is joined. */
const JOIN_MS = 15_000;

/** A lane that waits for its counterpart. */
interface Single {
  readonly lane: Lane;
  readonly transport: Transport;
}

/** Joins pairs of lanes (wire/lanes.ts) into transports, for gateway and relay. */
export class LaneJoiner implements Disposable {
  readonly #joined: (transport: Transport) => void;
  readonly #joinMs: number;
  /** The lanes that aren't joined, with the timers that close them. */
  readonly #open = new Map<Transport, ReturnType<typeof setTimeout>>();
  readonly #singles = new Map<string, Single>();

  /** @param joined gets the transport that two lanes form, and owns it */
  constructor(joined: (transport: Transport) => void, joinMs: number = JOIN_MS) {
    this.#joined = joined;
    this.#joinMs = joinMs;
  }

  /** The number of lanes that wait. */
  get waiting(): number {
    return this.#open.size;
  }

  /** Takes and owns a lane. Never rejects. */
  async take(transport: Transport): Promise<void> {
    if (this.#open.size >= MOST_WAITING) return closeQuietly(transport);
    this.#open.set(transport, setTimeout(() => this.#drop(transport), this.#joinMs));
    try {
      const opening = parseLaneOpening(await readOpening(transport));
      if (opening === undefined) return this.#drop(transport);
      const { lane, tunnel } = opening;
      const other = this.#singles.get(tunnel);
      if (other === undefined) return void this.#singles.set(tunnel, { lane, transport });
      if (other.lane === lane || !this.#open.has(other.transport)) return this.#drop(transport);
      this.#forget(transport);
      this.#forget(other.transport);
      if (lane === "main") await this.#join(transport, other.transport);
      else await this.#join(other.transport, transport);
    } catch {
      this.#drop(transport);
    }
  }

  async #join(main: Transport, bulk: Transport): Promise<void> {
    const lanes = new LaneReceiver(main, bulk);
    try {
      await lanes.write(Uint8Array.of(JOINED));
    } catch {
      return lanes.close();
    }
    this.#joined(lanes);
  }

  [Symbol.dispose](): void {
    for (const transport of [...this.#open.keys()]) this.#drop(transport);
  }

  #drop(transport: Transport): void {
    this.#forget(transport);
    closeQuietly(transport);
  }

  #forget(transport: Transport): void {
    clearTimeout(this.#open.get(transport));
    this.#open.delete(transport);
    for (const [tunnel, single] of this.#singles) {
      if (single.transport === transport) this.#singles.delete(tunnel);
    }
  }
}

async function readOpening(transport: Transport): Promise<Uint8Array> {
  const bytes = new Uint8Array(LANE_OPENING);
  for (let at = 0; at < bytes.length;) {
    const length = await transport.read(bytes.subarray(at));
    if (length === null) return bytes.subarray(0, at);
    at += length;
  }
  return bytes;
}
