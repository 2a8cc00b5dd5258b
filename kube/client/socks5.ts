/** The client's side of SOCKS5 (RFC 1928), with user and password where the proxy wants them (RFC 1929). */

/** A connection to a SOCKS5 proxy. */
export interface Socks5Connection {
  /** Reads exactly so many bytes: what follows the handshake belongs to someone else. @throws when the connection ends before */
  read(size: number): Promise<Uint8Array>;
  write(bytes: Uint8Array): void;
}

export interface Socks5Target {
  /** A name, which the proxy resolves, or an address. */
  readonly hostname: string;
  readonly port: number;
  /** Without it no login is offered. */
  readonly login?: { readonly user: string; readonly password: string } | undefined;
}

const VERSION = 5, LOGIN_VERSION = 1;
const NO_LOGIN = 0, PASSWORD = 2;
const CONNECT = 1;
const IPV4 = 1, NAME = 3, IPV6 = 4;

/**
 * Asks a SOCKS5 proxy to connect to a target.
 *
 * @throws {Error} when it refuses, wants a login that there isn't, or doesn't speak SOCKS5
 * @throws whatever the connection throws
 */
export async function socks5Connect(
  connection: Socks5Connection,
  { hostname, port, login }: Socks5Target,
): Promise<void> {
  connection.write(Uint8Array.from([VERSION, ...login ? [2, NO_LOGIN, PASSWORD] : [1, NO_LOGIN]]));
  const [version, method] = await connection.read(2);
  if (version !== VERSION) throw new Error("its answer isn't SOCKS5");
  if (method === PASSWORD && login) {
    const { user, password } = login;
    const parts = [text(user, "its user"), text(password, "its password")];
    connection.write(Uint8Array.from([LOGIN_VERSION, ...parts.flat()]));
    if ((await connection.read(2))[1] !== 0) throw new Error("it refuses user and password");
  } else if (method !== NO_LOGIN) {
    throw new Error("it wants a login that isn't in its URL");
  }
  // Addresses go as names too: proxies take them as text.
  const name = text(hostname, "the server's name");
  connection.write(Uint8Array.from([VERSION, CONNECT, 0, NAME, ...name, port >> 8, port & 255]));
  const [replyVersion, reply, , type = 0, first = 0] = await connection.read(5);
  if (replyVersion !== VERSION) throw new Error("its answer isn't SOCKS5");
  if (reply !== 0) throw new Error(`it answers with SOCKS error ${reply}`);
  // The address that it connects from, of which one byte has been read, and the port.
  const length = { [IPV4]: 3, [NAME]: first, [IPV6]: 15 }[type];
  if (length === undefined) throw new Error("its answer isn't SOCKS5");
  await connection.read(length + 2);
}

/** A text with its length before it. */
function text(value: string, what: string): number[] {
  const bytes = new TextEncoder().encode(value);
  if (bytes.length > 255) throw new Error(`${what} is longer than 255 bytes`);
  return [bytes.length, ...bytes];
}
