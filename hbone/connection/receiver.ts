/**
 * Hands the peer's bytes and headers to their streams, and all other frames to control_frames.ts. Hot path: `data`, which is
 * called for each part of a DATA frame and allocates nothing.
 */
import { ControlFrames, expectStream } from "./control_frames.ts";
import type { ReceiverHost } from "./receiver_host.ts";
import { ConnectionError, ErrorCode, StreamError } from "../frames/errors.ts";
import { Flag, FrameType } from "../frames/frame.ts";
import type { FrameSink } from "../frames/frame_reader.ts";
import { checkRequest, type Header } from "../frames/header.ts";
import { type HeaderBlock, HeaderBlocks } from "../frames/header_blocks.ts";
import { Decoder } from "../hpack/decoder.ts";
import type { Segment } from "../frames/pool.ts";
import { StallWatch } from "../streams/stall.ts";

export class Receiver implements FrameSink {
  readonly #host: ReceiverHost;
  readonly #control: ControlFrames;
  readonly #decoder: Decoder;
  readonly #blocks: HeaderBlocks;
  readonly #stall: StallWatch;

  constructor(host: ReceiverHost) {
    this.#host = host;
    this.#control = new ControlFrames(host);
    this.#decoder = new Decoder(host.ours.headerTableSize, host.limits);
    this.#blocks = new HeaderBlocks(host.limits);
    this.#stall = new StallWatch(host.window, host.streams, host.limits.stallMs);
  }

  /** The connection has ended. */
  stop(): void {
    this.#stall.stop();
  }

  turn(): void {
    this.#host.creditConnection();
    this.#stall.check();
  }

  get held(): number {
    return this.#host.window.buffered;
  }

  compact(): void {
    for (const stream of this.#host.streams.byBuffered()) stream.inbox.compact();
  }

  data(
    id: number,
    flags: number,
    segment: Segment,
    start: number,
    end: number,
    padding: number,
    first: boolean,
    last: boolean,
    copy: boolean,
  ): void {
    this.#expect(FrameType.DATA, id);
    const { window, streams, faults, floods, writer, role, enforcesWindows } = this.#host;
    const length = end - start;
    if (!window.receive(length + padding) && enforcesWindows) {
      throw new ConnectionError(
        ErrorCode.FLOW_CONTROL_ERROR,
        "more DATA than the connection's window admits",
      );
    }
    const ends = last && (flags & Flag.END_STREAM) !== 0;
    if (first && last && length === 0 && !ends) floods.idleFrame("empty DATA");
    if (padding > 0) window.release(padding);
    const stream = streams.open.get(id);
    if (stream === undefined) {
      window.release(length);
      if (first) faults.notOpen(id, "DATA");
      return;
    }
    try {
      if (stream.inbox.ended) throw new StreamError(ErrorCode.STREAM_CLOSED, "DATA after END_STREAM");
      if (!stream.answered && role === "client") {
        throw new StreamError(ErrorCode.PROTOCOL_ERROR, "DATA before the response's headers");
      }
      if (!stream.inbox.window.receive(length + padding) && enforcesWindows) {
        throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window admits");
      }
      if (!enforcesWindows && window.buffered > window.allowed) {
        throw new StreamError(ErrorCode.ENHANCE_YOUR_CALM, "more unread DATA than the connection may buffer");
      }
    } catch (error) {
      window.release(length);
      faults.reset(id, error);
      return;
    }
    try {
      if (padding > 0) {
        const increment = stream.inbox.window.take(padding);
        if (increment > 0 && !ends) writer.windowUpdate(id, increment);
      }
      stream.dataCame(segment, start, end, copy);
      if (ends) stream.endCame();
    } catch (error) {
      faults.reset(id, error);
    }
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.#expect(type, stream);
    if (type === FrameType.HEADERS) {
      expectStream(type, stream);
      this.#block(this.#blocks.headers(stream, flags, payload));
    } else if (type === FrameType.CONTINUATION) {
      this.#block(this.#blocks.continuation(stream, flags, payload));
    } else this.#control.frame(type, flags, stream, payload);
  }

  #expect(type: number, stream: number): void {
    if (!this.#control.settingsCame && type !== FrameType.SETTINGS) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame isn't SETTINGS");
    }
    this.#blocks.expect(type, stream);
  }

  #block(block: HeaderBlock | undefined): void {
    if (block === undefined) return;
    const { headers, tooLarge } = this.#decoder.decode(block.bytes);
    let error = block.error;
    if (tooLarge) error ??= new StreamError(ErrorCode.ENHANCE_YOUR_CALM, "more headers than the limit");
    const id = block.stream;
    const stream = this.#host.streams.open.get(id);
    try {
      if (stream !== undefined) {
        if (error !== undefined) throw error;
        stream.headersCame(headers, block.endStream);
      } else if (this.#host.streams.isNew(id)) {
        this.#accept(id, headers, block.endStream, error);
      } else this.#host.faults.notOpen(id, "HEADERS");
    } catch (thrown) {
      this.#host.faults.reset(id, thrown);
    }
  }

  #accept(id: number, headers: readonly Header[], end: boolean, error: StreamError | undefined): void {
    const { streams, limits, events, ours } = this.#host;
    streams.lastPeerStream = id;
    if (error !== undefined) throw error;
    if (id > streams.lastAccepted) {
      throw new StreamError(ErrorCode.REFUSED_STREAM, "this end drains its connection");
    }
    if (streams.open.size >= limits.streams) {
      throw new StreamError(ErrorCode.REFUSED_STREAM, `${limits.streams} streams are open`);
    }
    const stream = this.#host.addStream(id, headers, checkRequest(headers, ours.enableConnectProtocol));
    // The end comes first, so that the stream's user finds it in its true state.
    if (end) stream.endCameWithRequest();
    events.opened(stream);
  }
}
