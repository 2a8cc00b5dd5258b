import type { AbortableTransport } from "./transport.ts";

/** A transport over another one, which reads in its own way; all else is the other's. */
export abstract class WrappedTransport implements AbortableTransport {
  protected readonly inner: AbortableTransport;

  constructor(inner: AbortableTransport) {
    this.inner = inner;
  }

  abstract read(into: Uint8Array): Promise<number | null>;

  write(bytes: Uint8Array): Promise<number> {
    return this.inner.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.inner.closeWrite();
  }

  close(): void {
    this.inner.close();
  }

  abort(reason?: Error): void {
    this.inner.abort(reason);
  }
}
