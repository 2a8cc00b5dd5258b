/** For tests: connections whose bytes are written and read as text, and a server whose every word the test says. */
import { closeQuietly } from "../../net/close_quietly.ts";
import { acceptAll } from "../../ffi/sockets/accept.ts";
import { TcpConnection } from "../../ffi/sockets/tcp_connection.ts";

/** Text of which each character is one byte. */
const encode = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const decode = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

/** One end of a TCP connection. */
export class Talk implements Disposable {
  readonly conn: Deno.TcpConn;
  #heard = "";

  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
    conn.setNoDelay();
  }

  static async with({ port }: { readonly port: number }): Promise<Talk> {
    return new Talk(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async say(text: string): Promise<void> {
    const bytes = encode(text);
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  /** All up to and with `end`. @throws when the other side ends before. */
  async until(end: string): Promise<string> {
    for (;;) {
      const at = this.#heard.indexOf(end);
      if (at >= 0) {
        const said = this.#heard.slice(0, at + end.length);
        this.#heard = this.#heard.slice(said.length);
        return said;
      }
      if (!await this.#more()) throw new Error(`the end came after ${JSON.stringify(this.#heard)}`);
    }
  }

  /** All until the other side's end. @throws when it breaks off. */
  async rest(): Promise<string> {
    while (await this.#more());
    const said = this.#heard;
    this.#heard = "";
    return said;
  }

  async #more(): Promise<boolean> {
    const buffer = new Uint8Array(64 * 1024);
    const count = await this.conn.read(buffer);
    if (count !== null) this.#heard += decode(buffer.subarray(0, count));
    return count !== null;
  }

  /** Breaks it off. */
  reset(): void {
    new TcpConnection(this.conn).abort();
  }

  [Symbol.dispose](): void {
    closeQuietly(this.conn);
  }
}

export interface Origin extends AsyncDisposable {
  readonly port: number;
  /** Connections that came. */
  readonly connections: number;
}

/** A server whose connections are talked with by `serve`, which gets the number of each, from 1 on. */
export function origin(serve: (talk: Talk, connection: number) => Promise<void>): Origin {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const talks = new Set<Talk>();
  let connections = 0;
  const accepting = acceptAll(listener, (conn) => {
    const talk = new Talk(conn);
    talks.add(talk);
    // A test sees at the client's end what went wrong.
    serve(talk, ++connections).catch(() => {}).finally(() => talk[Symbol.dispose]());
  });
  return {
    port: listener.addr.port,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const talk of talks) talk[Symbol.dispose]();
    },
  };
}
