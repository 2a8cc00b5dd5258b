import { ConnectionError, ErrorCode, StreamError } from "../frames/errors.ts";
import type { FrameWriter } from "../sending/frame_writer.ts";
import type { FloodLimits } from "../guards/flood_limits.ts";
import type { StreamTable } from "./stream_table.ts";

/** Handles frames that are wrong for one stream, or that are for a stream that isn't open (RFC 9113 §5.1 and §5.4.2). */
export class StreamFaults {
  readonly #role: "client" | "server";
  readonly #streams: StreamTable;
  readonly #writer: FrameWriter;
  readonly #floods: FloodLimits;

  constructor(role: "client" | "server", streams: StreamTable, writer: FrameWriter, floods: FloodLimits) {
    this.#role = role;
    this.#streams = streams;
    this.#writer = writer;
    this.#floods = floods;
  }

  /** Handles a frame for a stream that isn't open. `forbidden` names the frame if it is an error for a closed stream. */
  notOpen(id: number, forbidden: "DATA" | "HEADERS" | undefined): void {
    if (this.#streams.mayIgnore(id) || forbidden === undefined) return;
    const message = `${forbidden} for stream ${id}, which is closed`;
    if (forbidden === "DATA" || this.#role === "client") {
      return this.reset(id, new StreamError(ErrorCode.STREAM_CLOSED, message));
    }
    // The stream was skipped, or it has ended (RFC 9113 §5.1 and §5.1.1).
    const code = this.#streams.remembers(id) ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR;
    throw new ConnectionError(code, message);
  }

  /** Resets one stream for a StreamError; throws any other error on, since it concerns the connection. */
  reset(id: number, error: unknown): void {
    if (!(error instanceof StreamError)) throw error;
    this.#floods.streamError(error.message);
    const stream = this.#streams.open.get(id);
    if (stream !== undefined) return stream.reset(error.code, error);
    this.#writer.reset(id, error.code);
    this.#streams.remember(id, true);
  }
}
