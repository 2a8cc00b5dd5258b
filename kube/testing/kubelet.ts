import { closeQuietly } from "../../net/close_quietly.ts";
import type { ApiServerAccess } from "../client/access.ts";

/** A frame as a server sends it: not masked. */
export function serverFrame(opcode: number, payload: Uint8Array, final = true): Uint8Array {
  const size = payload.length;
  const length = size < 126
    ? [size]
    : size < 65_536
    ? [126, size >> 8, size & 255]
    : [127, 0, 0, 0, 0, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255];
  const frame = new Uint8Array(1 + length.length + size);
  frame.set([(final ? 0x80 : 0) | opcode, ...length]);
  frame.set(payload, 1 + length.length);
  return frame;
}

/** A message on a channel of port-forward, in one frame. */
export function message(channel: number, data: string): Uint8Array {
  const payload = new TextEncoder().encode("\0" + data);
  payload[0] = channel;
  return serverFrame(2, payload);
}

/** The far end of a port-forward in a test. */
export interface Peer {
  /** Sends bytes together. */
  send(...parts: Uint8Array[]): Promise<void>;
  /** The next frame, unmasked. */
  frame(): Promise<{ opcode: number; payload: Uint8Array }>;
  /** The next binary frame's payload, its channel first. */
  message(): Promise<Uint8Array>;
  /** Waits until the client has closed. */
  untilClosed(): Promise<void>;
}

/** Takes one port-forward on loopback, announces its port on both channels, and then does what the test says. */
export class FakeKubelet implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #done: Promise<void>;
  readonly request = { line: "", headers: new Headers() };

  /** @param options.answer what it answers instead of the upgrade; false for nothing at all. */
  constructor(play: (peer: Peer) => Promise<void>, options: { answer?: string | false } = {}) {
    this.#done = this.#serve(play, options.answer);
    this.#done.catch(() => {}); // told on disposal
  }

  get access(): ApiServerAccess {
    const { port } = this.#listener.addr;
    const headers = { authorization: "Bearer secret" };
    return { tls: false, hostname: "127.0.0.1", port, pathPrefix: "", caCerts: [], headers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeQuietly(this.#listener);
    await this.#done;
  }

  async #serve(play: (peer: Peer) => Promise<void>, answer?: string | false): Promise<void> {
    let conn: Deno.TcpConn;
    try {
      conn = await this.#listener.accept();
    } catch {
      return;
    }
    using open = conn;
    const reader = new Reader(open);
    const [line = "", ...fields] = (await reader.until("\r\n\r\n")).split("\r\n");
    this.request.line = line;
    for (const field of fields) {
      const [name, value] = field.split(/: (.*)/);
      if (name && value) this.request.headers.append(name, value);
    }
    const peer = peerOf(open, reader);
    if (answer === undefined) {
      const key = this.request.headers.get("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(key)));
      await peer.send(
        new TextEncoder().encode(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
            `Sec-WebSocket-Accept: ${
              btoa(String.fromCharCode(...digest))
            }\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n`,
        ),
        // 8100, little-endian
        serverFrame(2, Uint8Array.of(0, 0xa4, 0x1f)),
        serverFrame(2, Uint8Array.of(1, 0xa4, 0x1f)),
      );
    } else if (answer !== false) {
      await peer.send(new TextEncoder().encode(answer));
    }
    await play(peer);
  }
}

function peerOf(conn: Deno.TcpConn, reader: Reader): Peer {
  const frame = async () => {
    const [first = 0, second = 0] = await reader.exactly(2);
    let length = second & 127;
    if (length === 126) length = new DataView((await reader.exactly(2)).buffer).getUint16(0);
    else if (length === 127) length = Number(new DataView((await reader.exactly(8)).buffer).getBigUint64(0));
    if ((second & 128) === 0) throw new Error("the client's frame isn't masked");
    const mask = await reader.exactly(4);
    const payload = await reader.exactly(length);
    return { opcode: first & 15, payload: payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)) };
  };
  return {
    async send(...parts) {
      const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      for (let sent = 0; sent < all.length;) sent += await conn.write(all.subarray(sent));
    },
    frame,
    async message() {
      const { opcode, payload } = await frame();
      if (opcode !== 2) throw new Error(`a frame of kind ${opcode}`);
      return payload;
    },
    async untilClosed() {
      const into = new Uint8Array(1024);
      while (await conn.read(into).catch(() => null) !== null);
    },
  };
}

class Reader {
  #bytes = new Uint8Array(0);
  constructor(readonly conn: Deno.TcpConn) {}

  async until(end: string): Promise<string> {
    for (;;) {
      const text = new TextDecoder("latin1").decode(this.#bytes);
      const at = text.indexOf(end);
      if (at !== -1) {
        this.#bytes = this.#bytes.slice(at + end.length);
        return text.slice(0, at);
      }
      await this.#more();
    }
  }

  async exactly(size: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#bytes.length < size) await this.#more();
    const taken = this.#bytes.slice(0, size);
    this.#bytes = this.#bytes.slice(size);
    return taken;
  }

  async #more(): Promise<void> {
    const into = new Uint8Array(64 << 10);
    const size = await this.conn.read(into);
    if (size === null) throw new Error("the client closed");
    const joined = new Uint8Array(this.#bytes.length + size);
    joined.set(this.#bytes);
    joined.set(into.subarray(0, size), this.#bytes.length);
    this.#bytes = joined;
  }
}
