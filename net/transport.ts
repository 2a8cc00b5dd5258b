/**
 * Bytes in, bytes out: what a tunnel runs over (a port-forward, a TCP connection, two ends in memory), and what
 * a stream of a tunnel is again. Whoever holds one never knows which.
 *
 * The shape is `Deno.Conn`'s on purpose, so that a `Deno.TcpConn` or `Deno.TlsConn` is a Transport as it is.
 */
export interface Transport {
  /** Bytes that come together, where it has parts of its own: whoever reads should have room for one, or its rest comes alone. */
  readonly part?: number;
  /**
   * Reads at least one byte into `into`, and says how many; null at the peer's end of the stream.
   * @throws when the transport broke (a reset, a lost connection): a break is never an end.
   */
  read(into: Uint8Array): Promise<number | null>;
  /**
   * Takes some bytes of `bytes`, at least one, and says how many. The caller may reuse `bytes` once this settles.
   * @throws when the transport broke.
   */
  write(bytes: Uint8Array): Promise<number>;
  /**
   * Takes all of `parts`, in order, as one message if it isn't too large: of transports whose messages cost more than their bytes.
   * The caller may reuse the parts once this settles.
   * @throws when the transport broke.
   */
  writeParts?(parts: readonly Uint8Array[]): Promise<void>;
  /**
   * The peer goes on somewhere else, by its own word: of transports that are made of several. What is read next comes from there;
   * what was read beyond that word belongs behind what comes until the peer is back.
   */
  peerTurned?(): void;
  /** Ends the direction out; the direction in goes on (TCP's FIN, HTTP/2's END_STREAM). */
  closeWrite(): Promise<void>;
  /** Ends both directions at once. What was written and not sent may be lost. Closing twice is fine or throws; callers guard. */
  close(): void;
}

/**
 * A Transport that can break off so that the peer sees a break and not an end: a TCP reset (SO_LINGER 0), an
 * HTTP/2 RST_STREAM. A relay aborts one side when the other side broke.
 */
export interface AbortableTransport extends Transport {
  /** Breaks both directions off. Never throws; twice is fine. */
  abort(reason?: Error): void;
}
