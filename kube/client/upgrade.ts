import { type ApiServerAccess, hostOf } from "./access.ts";
import { ApiError, errorOfAnswer } from "./api_error.ts";
import type { Connection } from "./dial.ts";

const MAX_HEAD_BYTES = 32 << 10;
const MAX_BODY_BYTES = 64 << 10;

/**
 * Turns a fresh connection into a WebSocket (RFC 6455 §4.1).
 *
 * @param what what is tried, for messages: "forward port 80 of pod a/b".
 * @returns the bytes that came after the answer's header: frames already.
 * @throws ApiError with what the API server says where it refuses (401, 403, 404, ...); what `connection` throws.
 */
export async function upgrade(
  connection: Connection,
  access: ApiServerAccess,
  request: { path: string; protocol: string; what: string },
): Promise<Uint8Array> {
  const { path, protocol, what } = request;
  const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const headers: Record<string, string> = {
    ...access.headers,
    host: hostOf(access),
    "user-agent": "pmz",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": key,
    "sec-websocket-protocol": protocol,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${headerValue(name, value)}\r\n`);
  const bytes = new TextEncoder().encode(`GET ${access.pathPrefix}${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));

  const { head, rest } = await readHead(connection, what);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? NaN);
  if (status === 101) {
    const accept = headerOf(head, "sec-websocket-accept");
    if (accept !== await acceptOf(key) || headerOf(head, "upgrade")?.toLowerCase() !== "websocket") {
      throw new ApiError(
        `Can't ${what}: the answer isn't a WebSocket's. Is there a proxy in front of the API server?`,
        {
          status,
          reason: "BadAnswer",
        },
      );
    }
    const chosen = headerOf(head, "sec-websocket-protocol");
    if (chosen !== protocol) {
      throw new ApiError(
        `Can't ${what}: the server doesn't speak ${protocol} (it chose ${chosen ?? "nothing"}).`,
        {
          status,
          reason: "BadAnswer",
        },
      );
    }
    return rest;
  }
  if (!(status >= 100 && status <= 599)) {
    throw new ApiError(`Can't ${what}: the answer isn't HTTP.`, { status: 0, reason: "BadAnswer" });
  }
  const text = await readBody(connection, head, rest);
  throw errorOfAnswer(what, status, text, headerOf(head, "retry-after"));
}

async function readHead(connection: Connection, what: string): Promise<{ head: string; rest: Uint8Array }> {
  const bytes = new Uint8Array(MAX_HEAD_BYTES);
  let have = 0;
  for (;;) {
    const size = have < bytes.length ? await connection.read(bytes.subarray(have)) : 0;
    if (size === null || size === 0) {
      const problem = size === null ? "the server closed the connection" : "the answer's header is too long";
      throw new ApiError(`Can't ${what}: ${problem}.`, { status: 0, reason: "BadAnswer" });
    }
    const from = Math.max(0, have - 3);
    have += size;
    for (let at = from; at + 3 < have; at++) {
      if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) {
        const head = new TextDecoder("latin1").decode(bytes.subarray(0, at + 2));
        return { head, rest: bytes.slice(at + 4, have) };
      }
    }
  }
}

/** As much of an error's body as its message needs; however it is framed, cut off or not. */
async function readBody(connection: Connection, head: string, rest: Uint8Array): Promise<string> {
  const length = Number(headerOf(head, "content-length") ?? NaN);
  const chunked = /chunked/i.test(headerOf(head, "transfer-encoding") ?? "");
  const bytes = new Uint8Array(MAX_BODY_BYTES);
  bytes.set(rest.subarray(0, bytes.length));
  let have = Math.min(rest.length, bytes.length);
  const wanted = Math.min(length >= 0 ? length : Infinity, bytes.length);
  const ended = () => have >= wanted || chunked && endsChunked(bytes.subarray(0, have));
  try {
    while (!ended()) {
      const size = await connection.read(bytes.subarray(have));
      if (size === null) break;
      have += size;
    }
  } catch {
    // What has come says more than that the connection broke after it.
  }
  const text = new TextDecoder().decode(bytes.subarray(0, have));
  return chunked ? unchunk(text) : text;
}

function endsChunked(bytes: Uint8Array): boolean {
  return new TextDecoder("latin1").decode(bytes.subarray(-7)).endsWith("0\r\n\r\n");
}

/** Status objects are one chunk or a few; ASCII nearly always, so lengths in characters do. */
function unchunk(text: string): string {
  let out = "";
  for (let at = 0;;) {
    const line = /^([0-9a-f]{1,8})[^\r\n]*\r\n/i.exec(text.slice(at, at + 64));
    const size = parseInt(line?.[1] ?? "0", 16);
    if (!line || size === 0) return out || text;
    at += line[0].length;
    out += text.slice(at, at + size);
    at += size + 2;
  }
}

function headerOf(head: string, name: string): string | undefined {
  for (const line of head.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (line.slice(0, colon).toLowerCase() === name) return line.slice(colon + 1).trim();
  }
  return undefined;
}

/** A token with a line break in it would write headers of its own. */
function headerValue(name: string, value: string): string {
  if (/[\r\n\0]/.test(value)) {
    throw new TypeError(`The kubeconfig's value for the header ${name} has a line break`);
  }
  return value;
}

async function acceptOf(key: string): Promise<string> {
  const text = new TextEncoder().encode(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-1", text))));
}
