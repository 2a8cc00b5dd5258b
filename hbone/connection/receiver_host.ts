/** The engine as the receiving side needs it. */
import type { Transport } from "../../net/transport.ts";
import type { Header } from "../frames/header.ts";
import type { Limits } from "../frames/limits.ts";
import type { Settings } from "../frames/settings.ts";
import type { FloodLimits } from "../guards/flood_limits.ts";
import type { Pings } from "../guards/pings.ts";
import type { RoundTrip } from "../guards/round_trip.ts";
import type { FrameWriter } from "../sending/frame_writer.ts";
import type { SendQueue } from "../sending/send_queue.ts";
import type { ConnectionWindow } from "../streams/flow_control.ts";
import type { StreamFaults } from "../streams/stream_faults.ts";
import type { StreamState } from "../streams/stream_state.ts";
import type { StreamTable } from "../streams/stream_table.ts";

/** Tells the connection what the peer's frames mean for it. */
export interface ConnectionEvents {
  /** The peer opened a stream. */
  opened(stream: StreamState): void;
  /** The last open stream ended. */
  idle(): void;
  goaway(code: number, debug: string): void;
  /** SETTINGS of the peer have come. */
  settingsCame(): void;
  settingsAcknowledged(): void;
  /** The transport failed. */
  broken(error: Error): void;
}

export interface ReceiverHost {
  readonly transport: Transport;
  readonly role: "client" | "server";
  /** The settings that this end announced. */
  readonly ours: Settings;
  /** The settings that the peer announced. */
  peer: Settings;
  /** When this end's SETTINGS frame was queued, as performance.now(). */
  readonly settingsSent: number;
  readonly limits: Limits;
  /** Whether the peer's windows are those that this end has announced. */
  readonly enforcesWindows: boolean;
  readonly events: ConnectionEvents;
  readonly queue: SendQueue;
  readonly writer: FrameWriter;
  readonly streams: StreamTable;
  /** The receive window of the whole connection. */
  readonly window: ConnectionWindow;
  readonly roundTrip: RoundTrip;
  readonly pings: Pings;
  readonly floods: FloodLimits;
  readonly faults: StreamFaults;
  /** Adds a stream that either end opened; `contentLength` is -1 where none was announced. */
  addStream(id: number, headers: readonly Header[], contentLength: number): StreamState;
  /** Announces more connection window once enough of it was used to be worth a frame. */
  creditConnection(): void;
}
