/**
 * Two transports as one: a main lane that carries both directions, and a bulk lane that carries one of them while much is sent. Which
 * lane comes next the sender says in the lane that it leaves, by an extension frame (RFC 9113 §5.5); what comes behind that there is
 * from when it was back (frame_reader.ts). So the receiver takes frames in the order that they were sent in, and either lane is a plain
 * one to what passes it on.
 *
 * Hot path: no promise and no copy of its own.
 */
import { closeQuietly } from "../../net/close_quietly.ts";
import type { AbortableTransport, Transport } from "../../net/transport.ts";
import { asError } from "../frames/errors.ts";
import { FRAME_HEADER, FrameType, writeFrameHeader } from "../frames/frame.ts";

/** A transport that is a lane. */
export type LaneTransport = Transport & Partial<Pick<AbortableTransport, "abort">>;

/** What both ends have in common: two lanes of which neither lives without the other. */
class Lanes {
  readonly main: LaneTransport;
  readonly bulk: LaneTransport;
  #over = false;

  constructor(main: LaneTransport, bulk: LaneTransport) {
    this.main = main;
    this.bulk = bulk;
  }

  closeWrite(): Promise<void> {
    return this.main.closeWrite();
  }

  close(): void {
    this.#end(closeQuietly);
  }

  abort(reason?: Error): void {
    this.#end((lane) => lane.abort ? lane.abort(reason) : closeQuietly(lane));
  }

  #end(how: (lane: LaneTransport) => void): void {
    if (this.#over) return;
    this.#over = true;
    how(this.main);
    how(this.bulk);
  }
}

/** Bytes that messages have on average from which on they take the bulk lane, and below which the main one again. */
const BULK = 48 * 1024;
const SMALL = 12 * 1024;
/** One of so many messages weighs as much in the average. */
const MEMORY = 8;

/** The end that sends on both lanes, each message where its like is cheaper, and receives on the main one. */
export class LaneSender extends Lanes implements AbortableTransport {
  readonly #turn = new Uint8Array(FRAME_HEADER);
  #sending: LaneTransport;
  #average = 0;

  /** The lanes become this one's own. */
  constructor(main: LaneTransport, bulk: LaneTransport) {
    super(main, bulk);
    writeFrameHeader(this.#turn, 0, 0, FrameType.LANE, 0, 0);
    this.#sending = main;
    void this.#watch();
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.main.read(into);
  }

  /** Whole frames, as all that is written here has to be. */
  async write(bytes: Uint8Array): Promise<number> {
    await this.writeParts([bytes]);
    return bytes.length;
  }

  async writeParts(parts: readonly Uint8Array[]): Promise<void> {
    let size = 0;
    for (const part of parts) size += part.length;
    this.#average += (size - this.#average) / MEMORY;
    const bulk = this.#sending === this.bulk;
    if (bulk ? this.#average < SMALL : this.#average > BULK) {
      await writeAll(this.#sending, [this.#turn]);
      this.#sending = bulk ? this.main : this.bulk;
    }
    await writeAll(this.#sending, parts);
  }

  /** Nothing comes on the bulk lane; but port-forwards want to be read, and its end would else not be noticed. */
  async #watch(): Promise<void> {
    let reason: Error;
    try {
      const length = await this.bulk.read(new Uint8Array(1));
      reason = new Error(length === null ? "the bulk lane ended" : "something came on the bulk lane");
    } catch (error) {
      reason = asError(error);
    }
    this.abort(reason);
  }
}

/** The end that receives on both lanes, and sends on the main one. */
export class LaneReceiver extends Lanes implements AbortableTransport {
  #receiving: LaneTransport;

  /** The lanes become this one's own. */
  constructor(main: LaneTransport, bulk: LaneTransport) {
    super(main, bulk);
    this.#receiving = main;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#receiving.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.main.write(bytes);
  }

  /** The sender has gone on to its other lane. What was read beyond that word is the caller's to keep until it's back. */
  peerTurned(): void {
    this.#receiving = this.#receiving === this.main ? this.bulk : this.main;
  }
}

async function writeAll(lane: LaneTransport, parts: readonly Uint8Array[]): Promise<void> {
  if (lane.writeParts) return await lane.writeParts(parts);
  for (const part of parts) {
    for (let at = 0; at < part.length;) at += await lane.write(at === 0 ? part : part.subarray(at));
  }
}
