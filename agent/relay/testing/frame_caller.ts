/**
 * For tests: a caller that speaks HTTP/2 frame by frame, and checks what it gets: that no window is exceeded, that header blocks are
 * whole and decode by one table, and that nothing comes behind the end of a stream.
 */
import assert from "node:assert/strict";
import { until } from "../../../async/testing/until.ts";
import {
  Flag,
  FRAME_HEADER,
  FrameType,
  PREFACE,
  readUint24,
  readUint31,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from "../../../hbone/frames/frame.ts";
import { decodeSettings, INITIAL_SETTINGS, type Settings } from "../../../hbone/frames/settings.ts";
import { Decoder } from "../../../hbone/hpack/decoder.ts";
import { Encoder } from "../../../hbone/hpack/encoder.ts";
import { type Header, joined } from "../../../hbone/mod.ts";
import { writeAll } from "../../../http/byte_reader.ts";
import { dial } from "./http2_front.ts";

export interface CallerStream {
  readonly id: number;
  readonly blocks: (readonly Header[])[];
  bytes: number;
  text: string;
  ended: boolean;
  reset: number | undefined;
  /** Bytes that it may still send, and get. */
  send: number;
  receive: number;
}

export interface CallerOptions {
  /** SETTINGS that it announces: its ids and values. */
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** Bytes of the connection's window that are left when it is filled up again. */
  readonly creditAt?: number;
  /** How the table is used that it compresses headers with. */
  readonly index?: "always" | "never";
}

export async function frameCaller(port: number, options: CallerOptions = {}) {
  const { settings = [], creditAt = 0, index = "always" } = options;
  const socket = await dial(port);
  const encoder = new Encoder({ index, secret: new Set() });
  const tableSize = settings.find(([id]) => id === 1)?.[1] ?? 4_096;
  const decoder = new Decoder(tableSize, { headerList: 1e6, headerCount: 1e3 });
  const windowSize = settings.find(([id]) => id === 4)?.[1] ?? 65_535;
  const streams = new Map<number, CallerStream>();
  const caller = {
    streams,
    /** Bytes that it may still send, and get, on all streams. */
    send: 65_535,
    receive: 65_535,
    peer: INITIAL_SETTINGS as Settings,
    settingsSeen: [] as Settings[],
    pings: [] as string[],
    goaways: [] as { last: number; code: number }[],
    ended: false,
    wrong: undefined as unknown,
    next: 1,
    /** Opens a stream. */
    open(headers: readonly Header[], end = true): CallerStream {
      const stream: CallerStream = {
        id: caller.next,
        blocks: [],
        bytes: 0,
        text: "",
        ended: false,
        reset: undefined,
        send: caller.peer.initialWindowSize,
        receive: windowSize,
      };
      caller.next += 2;
      streams.set(stream.id, stream);
      caller.headers(stream, headers, end);
      return stream;
    },
    headers(stream: CallerStream, headers: readonly Header[], end: boolean) {
      const flags = Flag.END_HEADERS | (end ? Flag.END_STREAM : 0);
      put(FrameType.HEADERS, flags, stream.id, encoder.encode(headers));
    },
    /** Sends DATA as far as windows admit, and waits for them. */
    async data(stream: CallerStream, bytes: number, end = true) {
      for (let left = bytes; left > 0;) {
        const isGone = () => stream.reset !== undefined || caller.ended;
        await until("a window opens", () => isGone() || Math.min(stream.send, caller.send) > 0);
        if (isGone()) return;
        const length = Math.min(left, stream.send, caller.send, caller.peer.maxFrameSize);
        left -= length;
        stream.send -= length;
        caller.send -= length;
        put(
          FrameType.DATA,
          end && left === 0 ? Flag.END_STREAM : 0,
          stream.id,
          new Uint8Array(length).fill(97),
        );
      }
    },
    reset: (stream: CallerStream, code: number) => put(FrameType.RST_STREAM, 0, stream.id, number(code)),
    credit: (stream: number, bytes: number) => put(FrameType.WINDOW_UPDATE, 0, stream, number(bytes)),
    put,
    /** Sends all that is put during the call in one piece. */
    together(puts: () => void) {
      const all = gathered = [] as Uint8Array[];
      puts();
      gathered = undefined;
      raw(joined(all));
    },
    /** Waits until all was taken that was put. */
    sent: () => writing,
    /** Waits until a stream has come to its end, and fails where anything was wrong. */
    async end(...all: CallerStream[]) {
      const isOver = () => all.every(({ ended, reset }) => ended || reset !== undefined);
      await until("the streams have ended", () => caller.wrong !== undefined || caller.ended || isOver());
      caller.check();
      assert.ok(isOver(), "the connection has ended before");
    },
    check() {
      if (caller.wrong !== undefined) throw caller.wrong;
    },
    async [Symbol.asyncDispose]() {
      socket.abort();
      await reading;
      await writing.catch(() => {});
    },
  };
  let writing = Promise.resolve();
  let gathered: Uint8Array[] | undefined;
  function put(type: number, flags: number, stream: number, payload: Uint8Array) {
    const frame = new Uint8Array(FRAME_HEADER + payload.length);
    writeFrameHeader(frame, 0, payload.length, type, flags, stream);
    frame.set(payload, FRAME_HEADER);
    raw(frame);
  }
  function raw(bytes: Uint8Array) {
    if (gathered) return void gathered.push(bytes);
    writing = writing.then(() => writeAll(socket, bytes));
    writing.catch(() => {});
  }
  raw(PREFACE);
  const payload = new Uint8Array(6 * settings.length);
  settings.forEach(([id, value], i) => {
    payload[6 * i + 1] = id;
    writeUint32(payload, 6 * i + 2, value);
  });
  put(FrameType.SETTINGS, 0, 0, payload);

  let block: { stream: CallerStream | undefined; id: number; end: boolean; parts: number[] } | undefined;
  let isFirst = true;
  function take(type: number, flags: number, id: number, payload: Uint8Array) {
    if (isFirst) assert.equal(type, FrameType.SETTINGS, "SETTINGS come first");
    isFirst = false;
    if (block) assert.ok(type === FrameType.CONTINUATION && id === block.id, "a frame within a header block");
    const stream = streams.get(id);
    switch (type) {
      case FrameType.DATA: {
        assert.ok(stream && !stream.ended, `DATA of stream ${id}`);
        caller.receive -= payload.length;
        stream.receive -= payload.length;
        assert.ok(caller.receive >= 0, "more DATA than the connection's window");
        assert.ok(stream.receive >= 0, "more DATA than the stream's window");
        stream.bytes += payload.length;
        if (payload.length < 1_000) stream.text += new TextDecoder().decode(payload);
        if (caller.receive <= creditAt) {
          caller.credit(0, 65_535 - caller.receive);
          caller.receive = 65_535;
        }
        if (stream.receive < windowSize / 2 && (flags & Flag.END_STREAM) === 0) {
          caller.credit(id, windowSize - stream.receive);
          stream.receive = windowSize;
        }
        if (flags & Flag.END_STREAM) stream.ended = true;
        return;
      }
      case FrameType.HEADERS:
      case FrameType.CONTINUATION:
        if (type === FrameType.HEADERS) {
          assert.ok(stream && !stream.ended, `HEADERS of stream ${id}`);
          block = { stream, id, end: (flags & Flag.END_STREAM) !== 0, parts: [] };
        }
        assert.ok(block);
        block.parts.push(...payload);
        if (flags & Flag.END_HEADERS) {
          block.stream?.blocks.push(decoder.decode(new Uint8Array(block.parts)).headers);
          if (block.end && block.stream) block.stream.ended = true;
          block = undefined;
        }
        return;
      case FrameType.RST_STREAM:
        if (stream) stream.reset = readUint32(payload, 0);
        return;
      case FrameType.SETTINGS: {
        if (flags & Flag.ACK) return;
        const before = caller.peer;
        caller.peer = decodeSettings(payload, before, "server");
        caller.settingsSeen.push(caller.peer);
        encoder.setMaxTableSize(caller.peer.headerTableSize);
        for (const each of streams.values()) {
          each.send += caller.peer.initialWindowSize - before.initialWindowSize;
        }
        return put(FrameType.SETTINGS, Flag.ACK, 0, new Uint8Array(0));
      }
      case FrameType.PING:
        if (flags & Flag.ACK) caller.pings.push(String(payload));
        else put(FrameType.PING, Flag.ACK, 0, payload);
        return;
      case FrameType.GOAWAY:
        caller.goaways.push({ last: readUint31(payload, 0), code: readUint32(payload, 4) });
        return;
      case FrameType.WINDOW_UPDATE:
        if (id === 0) caller.send += readUint31(payload, 0);
        else if (stream) stream.send += readUint31(payload, 0);
        assert.ok(caller.send <= 0x7fffffff && (stream?.send ?? 0) <= 0x7fffffff, "too large a window");
    }
  }
  const reading = (async () => {
    let rest = new Uint8Array(0);
    const into = new Uint8Array(32 * 1024);
    try {
      for (let n; (n = await socket.read(into)) !== null;) {
        const all = new Uint8Array(rest.length + n);
        all.set(rest);
        all.set(into.subarray(0, n), rest.length);
        let at = 0;
        for (; all.length - at >= FRAME_HEADER;) {
          const end = at + FRAME_HEADER + readUint24(all, at);
          if (end > all.length) break;
          take(
            all[at + 3] ?? 0,
            all[at + 4] ?? 0,
            readUint31(all, at + 5),
            all.slice(at + FRAME_HEADER, end),
          );
          at = end;
        }
        rest = all.slice(at);
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) caller.wrong ??= error;
      else if (error instanceof Error && error.name === "ConnectionError") caller.wrong ??= error;
    }
    caller.ended = true;
  })();
  return caller;
}

function number(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}
