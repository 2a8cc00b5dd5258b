import type { ResponseHead } from "./response_head.ts";

/** Bytes of a body that are read. */
const MAX_BODY = 64 << 10;

/**
 * Reads the body of a short HTTP/1 response, as it is needed for an error's message: 64 KiB of it at most, and what has come of it when the
 * connection breaks.
 *
 * @param read as of `Deno.Conn`
 * @param rest bytes after the head that have been read already
 */
export async function readShortBody(
  read: (into: Uint8Array) => Promise<number | null>,
  head: ResponseHead,
  rest: Uint8Array,
): Promise<string> {
  const chunked = /chunked/i.test(head.field("transfer-encoding") ?? "");
  const length = Number(head.field("content-length") ?? NaN);
  const wanted = Math.min(!chunked && length >= 0 ? length : Infinity, MAX_BODY);
  const bytes = new Uint8Array(MAX_BODY);
  bytes.set(rest.subarray(0, MAX_BODY));
  let have = Math.min(rest.length, MAX_BODY);
  try {
    while (have < wanted && !(chunked && unchunked(bytes.subarray(0, have)).complete)) {
      const size = await read(bytes.subarray(have));
      if (size === null) break;
      have += size;
    }
  } catch {
    // What has come says more than that the connection broke after it.
  }
  const body = bytes.subarray(0, Math.min(have, wanted));
  return new TextDecoder().decode(chunked ? unchunked(body).bytes : body);
}

/** Undoes chunked transfer coding (RFC 9112 §7.1), of as much as there is. What isn't in chunks stays as it is. */
function unchunked(body: Uint8Array): { bytes: Uint8Array; complete: boolean } {
  const bytes = new Uint8Array(body.length);
  let size = 0;
  for (let at = 0; at < body.length;) {
    const line = /^([0-9a-f]{1,8})[^\r\n]*\r\n/i.exec(latin1.decode(body.subarray(at, at + 64)));
    if (!line) {
      return size > 0
        ? { bytes: bytes.subarray(0, size), complete: false }
        : { bytes: body, complete: false };
    }
    const length = parseInt(line[1] ?? "", 16);
    if (length === 0) return { bytes: bytes.subarray(0, size), complete: true };
    at += line[0].length;
    const chunk = body.subarray(at, at + length);
    bytes.set(chunk, size);
    size += chunk.length;
    at += length + 2;
  }
  return { bytes: bytes.subarray(0, size), complete: false };
}

const latin1 = new TextDecoder("latin1");
