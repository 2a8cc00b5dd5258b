import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Buffer } from "node:buffer";
import { type ApiServerAccess, hostOf } from "./access.ts";
import { onAbort } from "../../async/abort.ts";
import { readResponseHead } from "./response_head.ts";

/** An HTTP proxy's CONNECT (RFC 9110 §9.3.6), or SOCKS5 (RFC 1928, RFC 1929); names are resolved by the proxy. */
export async function throughProxy(
  proxy: URL,
  access: ApiServerAccess,
  signal: AbortSignal,
): Promise<Socket> {
  const host = proxy.hostname.replace(/^\[|\]$/g, "");
  const socks = proxy.protocol === "socks5:" || proxy.protocol === "socks5h:";
  if (!socks && proxy.protocol !== "http:" && proxy.protocol !== "https:") {
    throw new Error(
      `The proxy ${proxy.protocol}//${proxy.host} is of a kind not known here: use http, https or socks5.`,
    );
  }
  const port = Number(proxy.port) || (socks ? 1080 : proxy.protocol === "https:" ? 443 : 80);
  const socket = proxy.protocol === "https:"
    ? await connected(
      connectTls({ host, port, ...(isAddress(host) ? {} : { servername: host }) }),
      "secureConnect",
      signal,
    )
    : await connected(connectNet({ host, port }), "connect", signal);
  const user = decodeURIComponent(proxy.username), password = decodeURIComponent(proxy.password);
  using _ending = onAbort(signal, () => socket.destroy());
  try {
    if (socks) await socks5(socket, access, user, password);
    else await httpConnect(socket, access, user, password);
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

async function httpConnect(socket: Socket, access: ApiServerAccess, user: string, password: string) {
  const target = hostOf(access);
  const authorization = user ? `Proxy-Authorization: Basic ${btoa(`${user}:${password}`)}\r\n` : "";
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`);
  // Byte by byte: what follows belongs to TLS.
  const { head } = await readResponseHead(async (into) => {
    into.set(await readExactly(socket, 1));
    return 1;
  });
  if (head.status < 200 || head.status > 299) throw new Error(`it answers "${head.statusLine}"`);
}

async function socks5(socket: Socket, access: ApiServerAccess, user: string, password: string) {
  socket.write(user ? Uint8Array.of(5, 2, 0, 2) : Uint8Array.of(5, 1, 0));
  const method = (await readExactly(socket, 2))[1];
  if (method === 2) {
    const [name, secret] = [Buffer.from(user), Buffer.from(password)];
    if (name.length > 255 || secret.length > 255) {
      throw new Error("its user or password is longer than 255 bytes");
    }
    socket.write(Buffer.concat([Uint8Array.of(1, name.length), name, Uint8Array.of(secret.length), secret]));
    if ((await readExactly(socket, 2))[1] !== 0) throw new Error("it refuses user and password");
  } else if (method !== 0) {
    throw new Error("it wants a login that isn't in its URL");
  }
  const name = Buffer.from(access.hostname);
  if (name.length > 255) throw new Error("the server's name is longer than 255 bytes");
  // Address type 3, a name: proxies take addresses as text there too.
  socket.write(Buffer.concat([
    Uint8Array.of(5, 1, 0, 3, name.length),
    name,
    Uint8Array.of(access.port >> 8, access.port & 255),
  ]));
  const reply = await readExactly(socket, 5);
  if (reply[1] !== 0) throw new Error(`it answers with SOCKS error ${reply[1]}`);
  const rest = { 1: 3, 3: reply[4] ?? 0, 4: 15 }[reply[3] ?? 0];
  if (rest === undefined) throw new Error("its answer isn't SOCKS5");
  await readExactly(socket, rest + 2);
}

/** Reads from a paused socket no byte more than asked for: what follows belongs to TLS. */
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
      socket.on("error", () => {}); // whoever reads or writes is told; an unheard event would end the process
      resolve(socket);
    });
  });
}

/** Whether a host is an address, which has no place in TLS's server_name (RFC 6066 §3). */
export function isAddress(host: string): boolean {
  return host.includes(":") || /^\d+(\.\d+){3}$/.test(host);
}
