import { type ApiServerAccess, hostOf } from "./access.ts";
import { ApiError, errorOfAnswer } from "./api_error.ts";
import type { ServerConnection } from "./dial.ts";
import { readShortBody } from "./response_body.ts";
import { BadHead, readResponseHead } from "./response_head.ts";

/**
 * Turns a fresh connection into a WebSocket (RFC 6455 §4.1).
 *
 * @param what what the upgrade is for, in messages: "forward port 80 of pod a/b"
 * @returns the bytes that came after the answer's head: they are frames already
 * @throws {ApiError} with the API server's words when it refuses (401, 403, 404, ...)
 * @throws whatever `connection` throws
 */
export async function upgrade(
  connection: ServerConnection,
  access: ApiServerAccess,
  request: { path: string; protocol: string; what: string },
): Promise<Uint8Array> {
  const { path, protocol, what } = request;
  const key = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const headers: ApiServerAccess["headers"] = {
    ...access.headers,
    host: hostOf(access),
    "user-agent": "pmz",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": key,
    "sec-websocket-protocol": protocol,
  };
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    (typeof values === "string" ? [values] : values).map((value) =>
      `${name}: ${headerValue(name, value)}\r\n`
    )
  );
  const bytes = new TextEncoder().encode(`GET ${access.pathPrefix}${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));

  const read = (into: Uint8Array) => connection.read(into);
  const { head, rest } = await readResponseHead(read).catch((cause) => {
    if (!(cause instanceof BadHead)) throw cause;
    throw badAnswer(what, 0, `${cause.message}.`);
  });
  const { status } = head;
  if (status !== 101) {
    const body = await readShortBody(read, head, rest);
    throw errorOfAnswer(what, status, body, head.field("retry-after"));
  }
  if (
    head.field("sec-websocket-accept") !== await acceptOf(key) ||
    head.field("upgrade")?.toLowerCase() !== "websocket"
  ) {
    throw badAnswer(
      what,
      status,
      "the answer isn't a WebSocket's. Is there a proxy in front of the API server?",
    );
  }
  const chosen = head.field("sec-websocket-protocol");
  if (chosen !== protocol) {
    throw badAnswer(what, status, `the server doesn't speak ${protocol} (it chose ${chosen ?? "nothing"}).`);
  }
  return rest;
}

function badAnswer(what: string, status: number, problem: string): ApiError {
  return new ApiError(`Can't ${what}: ${problem}`, { status, reason: "BadAnswer" });
}

/** Refuses line breaks: a token with one would add headers. */
function headerValue(name: string, value: string): string {
  if (/[\r\n\0]/.test(value)) {
    throw new TypeError(
      `The kubeconfig's value for the header ${name} has a line break: expected a single line`,
    );
  }
  return value;
}

async function acceptOf(key: string): Promise<string> {
  const text = new TextEncoder().encode(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-1", text))));
}
