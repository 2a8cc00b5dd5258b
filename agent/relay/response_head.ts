import { HttpFormatError } from "../../http/error.ts";
import { parseResponseHead, type ResponseHead } from "../../http/head.ts";
import type { ByteReader } from "../../http/byte_reader.ts";
import { HeadScan } from "../routing/head_scan.ts";

/** Bytes of a response's head. */
const LONGEST_RESPONSE_HEAD = 64 * 1024;
const HTTP = new TextEncoder().encode("HTTP/1.");

/**
 * The next head of an answer, still buffered; undefined when it isn't one, or can't be delimited.
 * @param more brings more bytes; false at the server's end
 */
export async function responseHead(
  reader: ByteReader,
  more: () => Promise<boolean>,
): Promise<ResponseHead | undefined> {
  const scan = new HeadScan();
  for (;;) {
    const bytes = reader.buffered;
    if (!startsWithHttp(bytes)) return undefined;
    const end = scan.scan(bytes);
    if (end === "broken" || end === "more" && bytes.length > LONGEST_RESPONSE_HEAD) return undefined;
    if (typeof end === "number") {
      try {
        return parseResponseHead(bytes.subarray(0, end));
      } catch (error) {
        if (error instanceof HttpFormatError) return undefined;
        throw error;
      }
    }
    if (!await more()) return undefined;
  }
}

/** Whether bytes begin as a response does, as far as they have come. */
function startsWithHttp(bytes: Uint8Array): boolean {
  for (let at = 0; at < HTTP.length && at < bytes.length; at++) if (bytes[at] !== HTTP[at]) return false;
  return true;
}
