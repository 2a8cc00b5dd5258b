/**
 * How many requests personal rules saw and took, which relay tells the laptop every few seconds: by a stream with `:protocol`
 * "pmz-counts", and what has come since the last one in a header. A daemon that doesn't know it refuses the stream. What is
 * lost with a tunnel is lost: these are for people.
 */
import { integer, list, NotValid, object, text } from "./schema.ts";

export const COUNTS_PROTOCOL = "pmz-counts";
export const COUNTS_HEADER = "pmz-counts";
/** Rules of one message. */
export const MOST_COUNTED = 100;

/** Requests; a connection that is decided as a whole, by its caller or TLS server name, counts as one. */
export interface RequestCounts {
  /** UID of the rule. */
  readonly rule: string;
  /** Those that were compared with it. */
  readonly seen: number;
  /** Those that it took. */
  readonly taken: number;
  /** Those that matched and went to the pod all the same, since the laptop declined them. */
  readonly declined: number;
}

const count = integer("count", 0, Number.MAX_SAFE_INTEGER);
const counts = list(object({ rule: text(36), seen: count, taken: count, declined: count }), MOST_COUNTED);

/** Parses the header; undefined when it isn't valid. */
export function parseRequestCounts(json: string): readonly RequestCounts[] | undefined {
  try {
    return counts.parse(JSON.parse(json), "counts");
  } catch (error) {
    if (error instanceof NotValid || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
