import type { Limits } from "./limits.ts";
import { ConnectionError, ErrorCode } from "./errors.ts";
import {
  DEFAULT_WINDOW,
  MAX_MAX_FRAME_SIZE,
  MAX_WINDOW,
  MIN_MAX_FRAME_SIZE,
  readUint32,
  writeUint32,
} from "./frame.ts";

/** The settings that one end announces to the other (RFC 9113 §6.5.2, RFC 8441 §3). */
export interface Settings {
  /** Bytes of the table that the peer's HPACK encoder may use. */
  headerTableSize: number;
  enablePush: boolean;
  /** Streams that the peer may have open at once. */
  maxConcurrentStreams: number;
  /** Bytes of each stream's window to begin with. */
  initialWindowSize: number;
  /** Bytes of a frame's payload. */
  maxFrameSize: number;
  /** Bytes of a header list. */
  maxHeaderListSize: number;
  enableConnectProtocol: boolean;
}

/** The values in force until a SETTINGS frame changes them. */
export const INITIAL_SETTINGS: Readonly<Settings> = {
  headerTableSize: 4096,
  enablePush: true,
  maxConcurrentStreams: Infinity,
  initialWindowSize: DEFAULT_WINDOW,
  maxFrameSize: MIN_MAX_FRAME_SIZE,
  maxHeaderListSize: Infinity,
  enableConnectProtocol: false,
};

/** The settings that this end announces: the defaults with `changes` applied. */
export function announced(
  role: "client" | "server",
  limits: Limits,
  changes: Partial<Settings> = {},
): Settings {
  const server = role === "server";
  return {
    ...INITIAL_SETTINGS,
    maxFrameSize: 64 * 1024,
    initialWindowSize: 1024 * 1024,
    maxHeaderListSize: limits.headerList,
    // Only a client announces ENABLE_PUSH, and pmz's takes no pushes.
    enablePush: server,
    maxConcurrentStreams: server ? limits.streams : INITIAL_SETTINGS.maxConcurrentStreams,
    enableConnectProtocol: server,
    ...changes,
  };
}

const Id = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  ENABLE_CONNECT_PROTOCOL: 0x8,
} as const;

/** Encodes the payload of a SETTINGS frame: the values in `settings` that differ from the initial ones. */
export function encodeSettings(settings: Partial<Settings>): Uint8Array {
  const pairs: [number, number][] = [];
  const add = (id: number, value: number | boolean | undefined, initial: number | boolean) => {
    if (value !== undefined && value !== initial) pairs.push([id, Number(value)]);
  };
  const initial = INITIAL_SETTINGS;
  add(Id.HEADER_TABLE_SIZE, settings.headerTableSize, initial.headerTableSize);
  add(Id.ENABLE_PUSH, settings.enablePush, initial.enablePush);
  add(Id.MAX_CONCURRENT_STREAMS, settings.maxConcurrentStreams, initial.maxConcurrentStreams);
  add(Id.INITIAL_WINDOW_SIZE, settings.initialWindowSize, initial.initialWindowSize);
  add(Id.MAX_FRAME_SIZE, settings.maxFrameSize, initial.maxFrameSize);
  add(Id.MAX_HEADER_LIST_SIZE, settings.maxHeaderListSize, initial.maxHeaderListSize);
  add(Id.ENABLE_CONNECT_PROTOCOL, settings.enableConnectProtocol, initial.enableConnectProtocol);
  const payload = new Uint8Array(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload[i * 6 + 1] = id;
    writeUint32(payload, i * 6 + 2, value);
  });
  return payload;
}

/**
 * Decodes a SETTINGS payload and applies its values, in order, to the ones before.
 * @throws ConnectionError for values that RFC 9113 §6.5.2 forbids.
 */
export function decodeSettings(
  payload: Uint8Array,
  before: Readonly<Settings>,
  peer: "client" | "server",
): Settings {
  if (payload.length % 6 !== 0) {
    throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `SETTINGS of ${payload.length} bytes`);
  }
  const settings: Settings = { ...before };
  for (let at = 0; at < payload.length; at += 6) {
    const id = ((payload[at] as number) << 8) | (payload[at + 1] as number);
    const value = readUint32(payload, at + 2);
    switch (id) {
      case Id.HEADER_TABLE_SIZE:
        settings.headerTableSize = value;
        break;
      case Id.ENABLE_PUSH:
        if (value > 1 || (value === 1 && peer === "server")) throw bad("SETTINGS_ENABLE_PUSH", value);
        settings.enablePush = value === 1;
        break;
      case Id.MAX_CONCURRENT_STREAMS:
        settings.maxConcurrentStreams = value;
        break;
      case Id.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW) {
          throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, `SETTINGS_INITIAL_WINDOW_SIZE of ${value}`);
        }
        settings.initialWindowSize = value;
        break;
      case Id.MAX_FRAME_SIZE:
        if (value < MIN_MAX_FRAME_SIZE || value > MAX_MAX_FRAME_SIZE) {
          throw bad("SETTINGS_MAX_FRAME_SIZE", value);
        }
        settings.maxFrameSize = value;
        break;
      case Id.MAX_HEADER_LIST_SIZE:
        settings.maxHeaderListSize = value;
        break;
      case Id.ENABLE_CONNECT_PROTOCOL:
        // RFC 8441 §3: it must not be withdrawn once announced.
        if (value > 1 || (value === 0 && settings.enableConnectProtocol)) {
          throw bad("SETTINGS_ENABLE_CONNECT_PROTOCOL", value);
        }
        settings.enableConnectProtocol = value === 1;
        break;
    }
  }
  return settings;
}

function bad(name: string, value: number): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, `${name} of ${value}`);
}
