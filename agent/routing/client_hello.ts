/** Reads the server name (SNI, RFC 6066 §3) of a TLS ClientHello, which may lie in several records (RFC 8446 §5.1). */

/** What the first bytes of a TLS connection say. `none`: no single valid name, or no ClientHello. */
export type ServerName = { readonly kind: "more" | "none" } | {
  readonly kind: "name";
  readonly name: string;
};

/** Bytes of a ClientHello. Post-quantum key shares make it larger than a segment of TCP. */
export const LONGEST_CLIENT_HELLO = 16 * 1024;
const [HANDSHAKE, CLIENT_HELLO, SERVER_NAME, HOST_NAME] = [22, 1, 0, 0];
const NAME = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

const more: ServerName = { kind: "more" };
const none: ServerName = { kind: "none" };

/** The server name in the first bytes of a connection; `more` while the ClientHello isn't complete. */
export function serverName(bytes: Uint8Array): ServerName {
  const hello = clientHello(bytes);
  if (hello === undefined || hello === "more") return hello === "more" ? more : none;
  try {
    return readServerName(new Fields(hello));
  } catch (error) {
    if (error instanceof Truncated) return none;
    throw error;
  }
}

/** The body of the ClientHello, put together from its records; undefined when these are not the records of one. */
function clientHello(bytes: Uint8Array): Uint8Array | "more" | undefined {
  const message = new Uint8Array(LONGEST_CLIENT_HELLO);
  let length = 0;
  for (let at = 0;;) {
    if (length > 0 && message[0] !== CLIENT_HELLO) return undefined;
    if (length >= 4) {
      const wanted = 4 + ((message[1] ?? 0) << 16 | (message[2] ?? 0) << 8 | (message[3] ?? 0));
      if (wanted > LONGEST_CLIENT_HELLO) return undefined;
      if (length >= wanted) return message.subarray(4, wanted);
    }
    const [type, major] = [bytes[at], bytes[at + 1]];
    if ((type ?? HANDSHAKE) !== HANDSHAKE || (major ?? 3) !== 3) return undefined;
    if (at + 5 > bytes.length) return "more";
    const size = (bytes[at + 3] ?? 0) << 8 | (bytes[at + 4] ?? 0);
    if (size === 0) return undefined; // RFC 8446 §5.1: a fragment of a handshake message has at least a byte
    const fragment = bytes.subarray(at + 5, at + 5 + size);
    if (length + fragment.length > LONGEST_CLIENT_HELLO) return undefined;
    message.set(fragment, length);
    length += fragment.length;
    at += 5 + size;
  }
}

function readServerName(hello: Fields): ServerName {
  hello.take(2 + 32); // legacy_version, random
  hello.take(hello.number(1)); // legacy_session_id
  hello.take(hello.number(2)); // cipher_suites
  hello.take(hello.number(1)); // legacy_compression_methods
  if (hello.done) return none;
  const extensions = new Fields(hello.take(hello.number(2)));
  let found: ServerName = none;
  while (!extensions.done) {
    const type = extensions.number(2);
    const body = extensions.take(extensions.number(2));
    if (type !== SERVER_NAME) continue;
    if (found.kind === "name") return none; // RFC 8446 §4.2: no extension comes twice
    const list = new Fields(body);
    const names = new Fields(list.take(list.number(2)));
    if (names.number(1) !== HOST_NAME) return none;
    const name = String.fromCharCode(...names.take(names.number(2))).toLowerCase();
    if (!names.done || !list.done || !NAME.test(name)) return none;
    found = { kind: "name", name };
  }
  return found;
}

class Truncated extends Error {
  override name = "Truncated";
}

/** Fields of a TLS structure, in order. */
class Fields {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws {Truncated} */
  take(count: number): Uint8Array {
    const taken = this.#bytes.subarray(this.#at, this.#at + count);
    if (taken.length < count) throw new Truncated("the ClientHello ends too early");
    this.#at += count;
    return taken;
  }

  /** A number of so many bytes. @throws {Truncated} */
  number(bytes: 1 | 2): number {
    return this.take(bytes).reduce((number, byte) => number << 8 | byte, 0);
  }
}
