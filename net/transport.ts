/**
 * A connection that carries bytes both ways: what a tunnel runs over (a port-forward, a TCP connection, two ends in memory), and what a
 * stream of a tunnel is in turn.
 *
 * All transports can be used alike by `read`, `write`, `closeWrite` and `close`: code that knows no more than these is correct over any
 * of them. The other members are optional, and tell what a transport is made of: `part` and `writeParts` let a caller save copies and
 * messages, and `peerTurned` is there only where HTTP/2 frames can change from one lane to another.
 *
 * The shape is that of `Deno.Conn` on purpose, so that a `Deno.TcpConn` or `Deno.TlsConn` is a Transport as it is.
 */
export interface Transport {
  /**
   * Reads at least one byte into `into`.
   *
   * @returns how many; null when the peer has ended the stream
   * @throws when the transport broke (a reset, a lost connection): a break never looks like an end
   */
  read(into: Uint8Array): Promise<number | null>;
  /**
   * Writes some of `bytes`, at least one. The caller may reuse `bytes` once this settles.
   *
   * @returns how many
   * @throws when the transport broke
   */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the direction out; the direction in stays open (TCP's FIN, HTTP/2's END_STREAM). */
  closeWrite(): Promise<void>;
  /** Ends both directions at once. What was written and not sent may be lost. Closing twice is fine or throws: see `closeQuietly`. */
  close(): void;

  /** How many bytes arrive together, where the transport carries parts. A read with room for less gets such a part in pieces. */
  readonly part?: number;
  /**
   * Writes all of `parts`, in order, as one message if it isn't too large. Only transports whose messages cost more than their bytes have
   * it; over others `write` is as good. The caller may reuse the parts once this settles.
   *
   * @throws when the transport broke
   */
  writeParts?(parts: readonly Uint8Array[]): Promise<void>;
  /**
   * Tells that the peer has announced (by a LANE frame) that it sends on another lane from here on: the next read is from there. What was
   * read beyond that frame comes after what the other lane brings until the peer is back. Only transports made of lanes have it.
   */
  peerTurned?(): void;
}

/**
 * A Transport that can break off so that the peer sees a break and not an end: a TCP reset (SO_LINGER 0), an HTTP/2 RST_STREAM. A relay
 * aborts one side when the other side broke.
 */
export interface AbortableTransport extends Transport {
  /** Breaks both directions off. It never throws, and calling it twice is fine. */
  abort(reason?: Error): void;
}
