import { LaneReceiver } from "../hbone/mod.ts";
import { JOINED, type Lane, LANE_OPENING, parseLaneOpening } from "../wire/lanes.ts";
import type { Transport } from "../net/transport.ts";

/** Lanes that wait for their other one, or haven't said yet what they are. */
const WAITING = 256;
/** Milliseconds that a lane has to say what it is, and then for the other one to come. */
const PATIENCE_MS = 15_000;

/** A lane that waits for its other one. */
interface Single {
  readonly lane: Lane;
  readonly transport: Transport;
}

/** Joins lanes (wire/lanes.ts) to transports, for gateway and relay alike. */
export class LaneJoiner implements Disposable {
  readonly #joined: (transport: Transport) => void;
  readonly #patienceMs: number;
  /** All that aren't joined, and what ends them when they take too long. */
  readonly #open = new Map<Transport, ReturnType<typeof setTimeout>>();
  readonly #singles = new Map<string, Single>();

  /** @param joined takes over the transport that two lanes have become */
  constructor(joined: (transport: Transport) => void, patienceMs: number = PATIENCE_MS) {
    this.#joined = joined;
    this.#patienceMs = patienceMs;
  }

  /** Lanes that wait. */
  get waiting(): number {
    return this.#open.size;
  }

  /** Takes a lane, which becomes this one's own. Never rejects. */
  async take(transport: Transport): Promise<void> {
    if (this.#open.size >= WAITING) return close(transport);
    this.#open.set(transport, setTimeout(() => this.#drop(transport), this.#patienceMs));
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
    close(transport);
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

function close(transport: Transport): void {
  try {
    transport.close();
  } catch {
    // Closed before.
  }
}
