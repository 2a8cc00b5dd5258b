import { withTimeout } from "../../async/timeout.ts";
import { ApiError } from "../client/api_error.ts";
import { type Json, record } from "../objects/parse.ts";

/** The longest line, in bytes: etcd accepts objects of 1.5 MiB, which stay below this as JSON with managed fields. */
const MAX_LINE_BYTES = 8 << 20;

export type WatchEvent =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: Json }
  | { type: "BOOKMARK"; object: Json };

/** Nothing came for so long that the connection counts as dead. */
export class SilenceError extends Error {
  override name = "SilenceError";
}

/**
 * Reads the events of a watch: one JSON object a line.
 *
 * @param idleMs milliseconds without a byte after which the connection counts as dead
 * @throws {SilenceError} after a silence
 * @throws {ApiError} for an ERROR event (`Expired` when the resourceVersion is too old) and for lines that aren't events
 */
export async function* watchEvents(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
): AsyncGenerator<WatchEvent> {
  for await (const line of lines(body, idleMs)) {
    const { type, object } = eventOf(line);
    if (type === "ADDED" || type === "MODIFIED" || type === "DELETED" || type === "BOOKMARK") {
      yield { type, object };
    } else if (type === "ERROR") {
      throw errorOf(object);
    }
    // Other types are those of future versions of Kubernetes.
  }
}

function eventOf(line: string): { type: unknown; object: Json } {
  try {
    const event = record(JSON.parse(line), "event");
    return { type: event.type, object: record(event.object, "event.object") };
  } catch (cause) {
    throw new ApiError("The watch sent a line that isn't an event", {
      status: 200,
      reason: "BadAnswer",
      cause,
    });
  }
}

function errorOf(status: Json): ApiError {
  const code = typeof status.code === "number" ? status.code : 500;
  const reason = code === 410
    ? "Expired"
    : typeof status.reason === "string"
    ? status.reason
    : "InternalError";
  const message = typeof status.message === "string" ? status.message.slice(0, 500) : "no explanation";
  return new ApiError(`The watch ended: ${message} (${code} ${reason})`, { status: code, reason });
}

async function* lines(body: ReadableStream<Uint8Array>, idleMs: number): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await withTimeout(reader.read(), idleMs, {
        error: () => new SilenceError(`Nothing came for ${idleMs / 1000} s`),
      });
      if (done) return; // a line without an end was cut off: its event comes again after the last version seen
      let from = 0;
      for (let end = value.indexOf(10); end !== -1; end = value.indexOf(10, from)) {
        const line = parts.join("") + decoder.decode(value.subarray(from, end));
        parts = [];
        size = 0;
        from = end + 1;
        if (line.trim() !== "") yield line;
      }
      size += value.length - from;
      if (size > MAX_LINE_BYTES) {
        throw new ApiError(`The watch sent an object larger than ${MAX_LINE_BYTES >> 20} MiB`, {
          status: 200,
          reason: "TooLarge",
        });
      }
      parts.push(decoder.decode(value.subarray(from), { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
