/** Captured datagrams, as the data plane sees them: who sent one, for whom it is, and the way back. */

/** A program's socket: its address is pmz's own of that family. */
export interface Caller {
  readonly family: 4 | 6;
  readonly port: number;
}

/** A captured address and port that datagrams came for; the same object each time while it is open. */
export interface UdpDestination {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
  /**
   * Sends an answer to a caller, from this address and port.
   * @returns false when the kernel has no room: it is dropped
   */
  send(payload: Uint8Array, callerPort: number): boolean;
  /** Tells the caller that the port is unreachable (ICMP): ECONNREFUSED where its socket is connected. */
  refuse(callerPort: number): void;
  /** Closes its socket, since no flow is left; the next datagram opens it again. */
  close(): void;
}

/** Where captured datagrams come from. */
export interface CapturedUdp {
  /** Called with each datagram; `payload` is valid during the call only. */
  received?: (payload: Uint8Array, callerPort: number, destination: UdpDestination) => void;
  /** Called when a program's socket was closed. */
  closed?: (family: 4 | 6, callerPort: number) => void;
  /** Called when a destination's socket can't be opened or read, before it is closed. */
  lost?: (destination: UdpDestination, why: Error) => void;
}
