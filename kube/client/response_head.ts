/** Bytes that a head may have. */
const MAX_HEAD = 32 << 10;

/** What came isn't the head of an HTTP/1 response. */
export class BadHead extends Error {
  override name = "BadHead";
}

/** The status line and fields of an HTTP/1 response (RFC 9112 §4, §5). */
export class ResponseHead {
  readonly status: number;
  /** As it came: "HTTP/1.1 403 Forbidden". */
  readonly statusLine: string;
  readonly #fields: readonly string[];

  /** @throws {BadHead} when the text doesn't begin with a status line */
  constructor(text: string) {
    const [statusLine = "", ...fields] = text.split(/\r?\n/);
    const status = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/.exec(statusLine)?.[1];
    if (status === undefined) throw new BadHead("the answer isn't HTTP");
    this.status = Number(status);
    this.statusLine = statusLine;
    this.#fields = fields;
  }

  /**
   * The value of the first field with a name.
   *
   * @param name in lower case
   */
  field(name: string): string | undefined {
    for (const field of this.#fields) {
      const colon = field.indexOf(":");
      if (field.slice(0, colon).toLowerCase() === name) return field.slice(colon + 1).trim();
    }
    return undefined;
  }
}

/**
 * Reads the head of an HTTP/1 response.
 *
 * @param read as of `Deno.Conn`; it is called until the head is complete, so one that gives a byte at a time leaves all that follows unread
 * @returns the head, and the bytes after it that have been read
 * @throws {BadHead} when the head is longer than 32 KiB or isn't HTTP/1, or the connection ends before it is complete
 * @throws whatever `read` throws
 */
export async function readResponseHead(
  read: (into: Uint8Array) => Promise<number | null>,
): Promise<{ head: ResponseHead; rest: Uint8Array }> {
  const bytes = new Uint8Array(MAX_HEAD);
  for (let have = 0; have < MAX_HEAD;) {
    const size = await read(bytes.subarray(have));
    if (size === null) throw new BadHead("it closed the connection");
    const from = Math.max(0, have - 3);
    have += size;
    for (let at = from; at + 3 < have; at++) {
      if (bytes[at] !== 13 || bytes[at + 1] !== 10 || bytes[at + 2] !== 13 || bytes[at + 3] !== 10) continue;
      const head = new ResponseHead(new TextDecoder("latin1").decode(bytes.subarray(0, at)));
      return { head, rest: bytes.slice(at + 4, have) };
    }
  }
  throw new BadHead(`the answer's header is longer than ${MAX_HEAD >> 10} KiB`);
}
