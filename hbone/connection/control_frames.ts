/** Handles the frames that carry neither DATA nor headers (RFC 9113 §6). */
import type { ReceiverHost } from "./receiver_host.ts";
import { ConnectionError, ErrorCode, StreamError } from "../frames/errors.ts";
import { expectLength, Flag, FrameType, MAX_WINDOW, readUint31, readUint32 } from "../frames/frame.ts";
import { dependsOnItself } from "../frames/header_blocks.ts";
import { decodeSettings } from "../frames/settings.ts";

export class ControlFrames {
  /** Whether the peer's SETTINGS arrived, which must be its first frame. */
  settingsCame = false;
  readonly #host: ReceiverHost;

  constructor(host: ReceiverHost) {
    this.#host = host;
  }

  /** @throws ConnectionError when the frame is wrong for the whole connection. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(stream, payload);
      case FrameType.RST_STREAM:
        return this.#rstStream(stream, payload);
      case FrameType.SETTINGS:
        return this.#settings(flags, stream, payload);
      case FrameType.PING:
        return this.#ping(flags, stream, payload);
      case FrameType.GOAWAY:
        return this.#goaway(stream, payload);
      case FrameType.PRIORITY:
        return this.#priority(stream, payload);
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which pmz doesn't allow");
      default:
        // The reader handled this lane switch (frame_reader.ts). It needs no limit, since each costs the peer a message of its own.
        if (type === FrameType.LANE && this.#host.transport.peerTurned) return;
        return this.#host.floods.idleFrame("frames of unknown types");
    }
  }

  #windowUpdate(id: number, payload: Uint8Array): void {
    expectLength("WINDOW_UPDATE", payload, 4);
    const increment = readUint31(payload, 0);
    if (id === 0) {
      if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      if (this.#host.queue.window + increment > MAX_WINDOW) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a connection window of more than 2^31-1");
      }
      this.#host.queue.windowGrew(increment);
      return;
    }
    const stream = this.#host.streams.open.get(id);
    if (stream === undefined) return this.#host.faults.notOpen(id, undefined);
    if (increment === 0) {
      this.#host.faults.reset(id, new StreamError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0"));
    } else if (!stream.outbox.grow(increment)) {
      this.#host.faults.reset(
        id,
        new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1"),
      );
    }
  }

  #rstStream(id: number, payload: Uint8Array): void {
    expectStream(FrameType.RST_STREAM, id);
    expectLength("RST_STREAM", payload, 4);
    const stream = this.#host.streams.open.get(id);
    if (stream === undefined) return this.#host.faults.notOpen(id, undefined);
    if (this.#host.role === "server" && !stream.answered) this.#host.floods.earlyReset();
    stream.resetCame(readUint32(payload, 0));
  }

  #settings(flags: number, stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    if (flags & Flag.ACK) {
      if (!this.settingsCame) {
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame is an ACK");
      }
      expectLength("SETTINGS with ACK", payload, 0);
      const now = performance.now();
      this.#host.roundTrip.sample(now - this.#host.settingsSent, now);
      return this.#host.events.settingsAcknowledged();
    }
    const host = this.#host;
    this.settingsCame = true;
    const { queue, writer, floods, peer: before } = host;
    floods.idleFrame("SETTINGS");
    const peer = decodeSettings(payload, before, host.role === "client" ? "server" : "client");
    host.peer = peer;
    queue.setMaxFrame(peer.maxFrameSize);
    writer.setMaxTableSize(peer.headerTableSize);
    floods.answer(() => queue.idle());
    writer.settingsAck();
    this.#growStreams(peer.initialWindowSize - before.initialWindowSize);
    host.events.settingsCame();
  }

  #growStreams(growth: number): void {
    if (growth === 0) return;
    for (const each of this.#host.streams.open.values()) {
      if (!each.outbox.grow(growth)) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS make a window larger than 2^31-1");
      }
    }
  }

  #ping(flags: number, stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    expectLength("PING", payload, 8);
    if (flags & Flag.ACK) return this.#host.pings.answered(payload);
    this.#host.floods.idleFrame("PING");
    this.#host.floods.answer(() => this.#host.queue.idle());
    this.#host.writer.ping(payload, true);
  }

  #goaway(stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream");
    if (payload.length < 8) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY shorter than 8 bytes");
    }
    const last = readUint31(payload, 0);
    const code = readUint32(payload, 4);
    this.#host.events.goaway(code, new TextDecoder().decode(payload.subarray(8, 264)));
    if (this.#host.role === "server") return;
    // The peer didn't process these streams and never will (RFC 9113 §6.8).
    for (const each of [...this.#host.streams.open.values()]) {
      if (each.id > last) each.resetCame(ErrorCode.REFUSED_STREAM);
    }
  }

  #priority(stream: number, payload: Uint8Array): void {
    expectStream(FrameType.PRIORITY, stream);
    this.#host.floods.idleFrame("PRIORITY");
    if (payload.length !== 5) {
      return this.#host.faults.reset(
        stream,
        new StreamError(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY isn't 5 bytes"),
      );
    }
    if (readUint31(payload, 0) === stream) this.#host.faults.reset(stream, dependsOnItself());
  }
}

/** @throws ConnectionError PROTOCOL_ERROR for a frame of a stream on stream 0. */
export function expectStream(type: number, stream: number): void {
  if (stream === 0) {
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame of type ${type} on stream 0`);
  }
}
