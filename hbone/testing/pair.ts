/** What the tests of this room share. */
import type { AbortableTransport, Transport } from "../../net/transport.ts";
import { Connection, type ConnectionOptions } from "../connection/connection.ts";
import { memoryPair } from "./memory_transport.ts";
import type { Stream } from "../streams/stream.ts";

export const CONNECT = [[":method", "CONNECT"], [":authority", "echo.default.svc:80"]] as const;

export interface Ends extends AsyncDisposable {
  client: Connection;
  server: Connection;
}

/** A client and a server that talk in memory. */
export function connected(
  onStream: (stream: Stream) => void,
  options: {
    client?: Partial<ConnectionOptions>;
    server?: Partial<ConnectionOptions>;
    over?: [Transport, Transport];
  } = {},
): Ends {
  const [a, b] = options.over ?? memoryPair();
  const server = new Connection(b, { role: "server", onStream, ...options.server });
  const client = new Connection(a, { role: "client", ...options.client });
  return {
    client,
    server,
    async [Symbol.asyncDispose]() {
      await Promise.all([client[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]);
    },
  };
}

/** Answers 200 and sends back what comes, until its end. */
export function echo(stream: Stream): void {
  stream.respond([[":status", "200"]]);
  copy(stream, stream).catch(() => {});
}

/** Copies until the end, and passes the end on. */
export async function copy(from: Transport, to: Transport): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, length));
  }
  await to.closeWrite();
}

export async function writeAll(to: Transport, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

export async function readAll(from: Transport): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
    parts.push(buffer.slice(0, length));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Exactly so many bytes. */
export async function readExactly(from: Transport, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const got = await from.read(bytes.subarray(at));
    if (got === null) throw new Error(`the end after ${at} of ${length} bytes`);
    at += got;
  }
  return bytes;
}

/** Bytes that differ from place to place, so that a part lost or twice shows. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = seed; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((b) =>
    b.toString(16).padStart(2, "0")
  )
    .join("");
}

/** Both ends of a TCP connection over loopback. */
export async function tcpPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [dialled, accepted] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  dialled.setNoDelay();
  accepted.setNoDelay();
  return [dialled, accepted];
}

/** A transport that counts and remembers what is written to it. */
export function counted(inner: AbortableTransport): AbortableTransport & { writes: number; bytes: number } {
  return {
    writes: 0,
    bytes: 0,
    read: (into) => inner.read(into),
    async write(bytes) {
      const written = await inner.write(bytes);
      this.writes++;
      this.bytes += written;
      return written;
    },
    closeWrite: () => inner.closeWrite(),
    close: () => inner.close(),
    abort: (reason) => inner.abort(reason),
  };
}

/** Lets everything that is ready run. */
export function turn(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
