import type { AbortableTransport } from "../net/transport.ts";
import type { Outcome } from "../wire/flow.ts";

/** A connection that this laptop itself dials, as a flow's transport: it counts its bytes, and knows how it ended. */
export class LocalTransport implements AbortableTransport {
  sent = 0;
  received = 0;
  /** How the flow ended. */
  readonly closed: Promise<Outcome>;
  readonly #inner: AbortableTransport;
  readonly #peer: string;
  readonly #ended = Promise.withResolvers<Outcome>();

  /** @param peer who is at its other end, for people: "the program at 127.0.0.1:8080" */
  constructor(inner: AbortableTransport, peer: string) {
    this.#inner = inner;
    this.#peer = peer;
    this.closed = this.#ended.promise;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const length = await this.#inner.read(into).catch((error) => this.#broke(error));
    if (length !== null) this.received += length;
    return length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const length = await this.#inner.write(bytes).catch((error) => this.#broke(error));
    this.sent += length;
    return length;
  }

  async closeWrite(): Promise<void> {
    await this.#inner.closeWrite().catch((error) => this.#broke(error));
  }

  close(): void {
    this.#ended.resolve({ kind: "done" });
    this.#inner.close();
  }

  abort(): void {
    this.#ended.resolve({ kind: "reset", by: "client", details: "the client broke the connection off" });
    this.#inner.abort();
  }

  /** Breaks it off, since it leads elsewhere from now on. */
  reroute(details: string): void {
    this.#ended.resolve({ kind: "reset", by: "laptop", details });
    this.#inner.abort();
  }

  #broke(error: unknown): never {
    const details = `${this.#peer} broke the connection off`;
    this.#ended.resolve({ kind: "reset", by: "server", details });
    throw error;
  }
}
