/**
 * Limits of what a peer can make this end do or store. When one is exceeded, the stream or the connection ends with
 * ENHANCE_YOUR_CALM or REFUSED_STREAM; everything else continues.
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
  /** Received and unread bytes of all streams of the connection together. */
  buffered: number;
  /** Largest window of one stream in bytes. All windows together grow by half of `buffered` at most. */
  window: number;
  /** Milliseconds that full buffers may stall the connection before the streams that fill them are reset. */
  stallMs: number;
  /** Unsent acknowledgements (of SETTINGS and PING) while the peer doesn't read. */
  unsentAnswers: number;
  /** PINGs sent by this end and not answered yet. */
  pings: number;
  /** Milliseconds that a peer may take to acknowledge our SETTINGS. */
  settingsAckMs: number;
  /** Streams that the peer may reset before they were answered: burst, and per second. */
  earlyResets: number;
  earlyResetsPerSecond: number;
  /** Frames without effect (empty DATA, PRIORITY, SETTINGS, PING, unknown types): burst, and per second. */
  idleFrames: number;
  idleFramesPerSecond: number;
  /** Streams that this end resets because the peer violates the protocol: burst, and per second. */
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
  earlyResets: 5000, // a peer may reset all of its streams at once
  earlyResetsPerSecond: 200,
  idleFrames: 2000,
  idleFramesPerSecond: 200,
  streamErrors: 1000,
  streamErrorsPerSecond: 100,
};
