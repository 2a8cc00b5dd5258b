import { pollUntil } from "../poll_until.ts";
import { patience } from "./patience.ts";

/**
 * Waits until a condition holds, in a test.
 *
 * @param what what is waited for, for the error: "the daemon answers"
 * @throws {Error} when it doesn't hold within `timeoutMs`; whatever the condition throws
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const waited = timeoutMs * patience;
  if (await pollUntil(condition, { everyMs: 5, timeoutMs: waited })) return;
  throw new Error(`waited ${waited / 1000} s in vain until ${what}`);
}
