import type { UdpDestination } from "../captured_udp.ts";

/** A captured address and port whose callers are the test. */
export class FakeDestination implements UdpDestination {
  readonly address: string;
  readonly port: number;
  readonly family: 4 | 6;
  /** What callers were answered: their port, and the text. */
  readonly answers: [number, string][] = [];
  /** Callers that were refused. */
  readonly refused: number[] = [];
  isClosed = false;
  /** Whether the kernel has room for answers. */
  hasRoom = true;

  constructor(address: string, port: number) {
    this.address = address;
    this.port = port;
    this.family = address.includes(":") ? 6 : 4;
  }

  send(payload: Uint8Array, callerPort: number): boolean {
    if (!this.hasRoom) return false;
    this.answers.push([callerPort, new TextDecoder().decode(payload)]);
    return true;
  }

  refuse(callerPort: number): void {
    this.refused.push(callerPort);
  }

  close(): void {
    this.isClosed = true;
  }
}
