import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Buffer } from "node:buffer";
import { type ApiServerAccess, hostOf } from "./access.ts";
import { onAbort } from "../../async/abort.ts";
import { readResponseHead } from "./response_head.ts";
import { socks5Connect, type Socks5Connection, type Socks5Target } from "./socks5.ts";

/**
 * Opens a connection to the API server through an HTTP proxy's CONNECT (RFC 9110 §9.3.6) or SOCKS5. The proxy resolves names.
 *
 * @throws {Error} that names the proxy, without its password
 */
export async function throughProxy(
  proxy: URL,
  access: ApiServerAccess,
  signal: AbortSignal,
): Promise<Socket> {
  const host = proxy.hostname.replace(/^\[|\]$/g, "");
  const socks = proxy.protocol === "socks5:" || proxy.protocol === "socks5h:";
  if (!socks && proxy.protocol !== "http:" && proxy.protocol !== "https:") {
    throw new Error(
      `The proxy ${proxy.protocol}//${proxy.host} is not supported: expected http://, https:// or socks5://.`,
    );
  }
  const port = Number(proxy.port) || (socks ? 1080 : proxy.protocol === "https:" ? 443 : 80);
  const socket = proxy.protocol === "https:"
    ? await connected(
      connectTls({
        host,
        port,
        ...(isAddress(host) ? {} : { servername: host }),
        // The server's own CA counts for the proxy too, as in Go's net/http.
        ca: [...access.caCerts],
        rejectUnauthorized: !access.insecure,
      }),
      "secureConnect",
      signal,
    )
    : await connected(connectNet({ host, port }), "connect", signal);
  const user = decodeURIComponent(proxy.username), password = decodeURIComponent(proxy.password);
  const login = user ? { user, password } : undefined;
  using _ending = onAbort(signal, () => socket.destroy());
  try {
    if (socks) await socks5Connect(bytesOf(socket), { hostname: access.hostname, port: access.port, login });
    else await httpConnect(socket, access, login);
    return socket;
  } catch (cause) {
    socket.destroy();
    throw new Error(
      `The proxy ${proxy.protocol}//${proxy.host} doesn't connect to ${hostOf(access)}: ${
        (cause as Error).message
      }`,
      { cause },
    );
  }
}

async function httpConnect(socket: Socket, access: ApiServerAccess, login: Socks5Target["login"]) {
  const target = hostOf(access);
  const authorization = login
    ? `Proxy-Authorization: Basic ${Buffer.from(`${login.user}:${login.password}`).toString("base64")}\r\n`
    : "";
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`);
  // Byte by byte: what follows belongs to TLS.
  const { head } = await readResponseHead(async (into) => {
    into.set(await readExactly(socket, 1));
    return 1;
  });
  if (head.status < 200 || head.status > 299) throw new Error(`it answers "${head.statusLine}"`);
}

function bytesOf(socket: Socket): Socks5Connection {
  return { read: (size) => readExactly(socket, size), write: (bytes) => void socket.write(bytes) };
}

/** Reads exactly so many bytes from a paused socket: what follows belongs to TLS. */
async function readExactly(socket: Socket, size: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = socket.read(size);
    if (bytes?.length === size) return bytes;
    if (socket.destroyed || socket.readableEnded || bytes) throw new Error("it closed the connection");
    await new Promise<void>((resolve, reject) => {
      const events = ["readable", "end", "close", "error"];
      const woken = (error?: unknown) => {
        for (const event of events) socket.off(event, woken);
        if (error instanceof Error) reject(error);
        else resolve();
      };
      for (const event of events) socket.on(event, woken);
    });
  }
}

/** Waits until a socket is connected. @throws why it can't be. */
export function connected<S extends Socket>(
  socket: S,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const ending = onAbort(signal, () => socket.destroy());
    socket.once("close", () => ending[Symbol.dispose]());
    const failed = (error?: Error) => reject(error ?? new Error("the connection was closed"));
    socket.once("error", failed);
    socket.once("close", failed);
    socket.once(event, () => {
      ending[Symbol.dispose]();
      socket.off("error", failed);
      socket.off("close", failed);
      socket.on("error", () => {}); // the next read or write throws it; an event without a listener would end the process
      resolve(socket);
    });
  });
}

/** Whether a host is an address, which isn't allowed as TLS's server_name (RFC 6066 §3). */
export function isAddress(host: string): boolean {
  return host.includes(":") || /^\d+(\.\d+){3}$/.test(host);
}
