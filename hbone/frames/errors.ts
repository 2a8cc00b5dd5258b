/** The error codes of RFC 9113 §7. */
export const ErrorCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

/** A code that we send; what a peer sends may be any 32-bit number. */
export type ErrorCode = typeof ErrorCode[keyof typeof ErrorCode];

const NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** The name of an error code as RFC 9113 §7 has it, or its number where it has none. */
export function errorName(code: number): string {
  return NAMES.get(code) ?? `0x${code.toString(16)}`;
}

/** The peer violated the protocol or a limit, so the whole connection ends with `code` (RFC 9113 §5.4.1). */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  constructor(readonly code: ErrorCode, message: string) {
    super(`${message} (${errorName(code)})`);
  }
}

/** The peer violated the protocol or a limit on one stream, which alone is reset with `code` (RFC 9113 §5.4.2). */
export class StreamError extends Error {
  override readonly name = "StreamError";
  constructor(readonly code: ErrorCode, message: string) {
    super(`${message} (${errorName(code)})`);
  }
}

/** A stream was reset (RST_STREAM): the bytes read so far may be incomplete. */
export class StreamReset extends Error {
  override readonly name = "StreamReset";
  constructor(readonly code: number, readonly by: "us" | "peer", cause?: unknown) {
    const who = by === "us" ? "by this end" : "by the peer";
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    super(
      `the stream was reset ${who} (${errorName(code)})${why}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/** A CONNECT was answered with a status other than 2xx, so the stream's content doesn't belong to a tunnel (RFC 9110 §9.3.6). */
export class ConnectRefused extends Error {
  override readonly name = "ConnectRefused";
  constructor(
    readonly status: number,
    readonly headers: readonly (readonly [name: string, value: string, neverIndexed?: true])[],
  ) {
    super(`the peer refused to connect: status ${status}`);
  }
}

/** The connection has ended, or drains and takes no more streams: use another one. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";
}

/** The limit of open streams of this end or the peer is reached: wait for a stream to end, or use another connection. */
export class TooManyStreams extends Error {
  override readonly name = "TooManyStreams";
}

/** Whether the peer has sent everything and wants no more of this end (RFC 9113 §8.1), which is not a failure. */
export function wantsNoMore(error: Error): boolean {
  return error instanceof StreamReset && error.by === "peer" && error.code === ErrorCode.NO_ERROR;
}

/** Returns `value` as an Error, since code may throw anything. */
export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
