/**
 * What a peer can make this end do or keep, at most. Each has a default; beyond it a stream or the connection
 * ends with ENHANCE_YOUR_CALM or REFUSED_STREAM, and everything else goes on.
 */
export interface Limits {
  /** Bytes of one compressed header block, over all its frames. */
  headerBlock: number;
  /** Bytes of one decompressed header list, counted as RFC 9113 §6.5.2 does (32 added for each). */
  headerList: number;
  /** Header fields in one list. */
  headerCount: number;
  /** CONTINUATION frames in one header block. */
  continuations: number;
  /** Streams open at once. */
  streams: number;
  /** Bytes received, not read yet, of all streams of the connection together. */
  buffered: number;
  /** Bytes that one stream's window grows to; all of them together grow by half of `buffered`. */
  window: number;
  /** Milliseconds that full buffers may hold everything up before the streams that fill them are reset. */
  stallMs: number;
  /** Answers (to SETTINGS and PING) that wait to be sent because the peer doesn't read. */
  unsentAnswers: number;
  /** PINGs of ours that wait for their answer. */
  pings: number;
  /** Milliseconds that a peer may take to acknowledge our SETTINGS. */
  settingsAckMs: number;
  /** Streams that the peer may reset before they were answered: at once, and then per second. */
  earlyResets: number;
  earlyResetsPerSecond: number;
  /** Frames that say nothing (empty DATA, PRIORITY, SETTINGS, PING, unknown types) at once, and then per second. */
  idleFrames: number;
  idleFramesPerSecond: number;
  /** Streams that we may have to reset because the peer breaks the rules: at once, and then per second. */
  streamErrors: number;
  streamErrorsPerSecond: number;
}

export const DEFAULT_LIMITS: Readonly<Limits> = {
  headerBlock: 32 * 1024,
  headerList: 32 * 1024,
  headerCount: 128,
  continuations: 32,
  streams: 4096,
  buffered: 64 * 1024 * 1024,
  window: 16 * 1024 * 1024,
  stallMs: 5000,
  unsentAnswers: 1000,
  pings: 16,
  settingsAckMs: 30_000,
  earlyResets: 5000, // all streams may be given up at once
  earlyResetsPerSecond: 200,
  idleFrames: 2000,
  idleFramesPerSecond: 200,
  streamErrors: 1000,
  streamErrorsPerSecond: 100,
};
