import { sleep } from "../../async/sleep.ts";
import { Failure } from "../failure.ts";
import { HelperClient } from "./helper_client.ts";

/** Another start, of an `up` next to this one, replaces a helper within this time, in milliseconds. */
const REPLACED_MS = 5_000;
const PAUSE_MS = 50;

/**
 * Connects to a helper that was started just now: of two `up`s at once, the second replaces the helper of the first, and for a moment
 * there is none.
 * @throws {Failure} `helper`
 */
export async function connectStarted(path: string, patienceMs: number = REPLACED_MS): Promise<HelperClient> {
  const end = performance.now() + patienceMs;
  for (;;) {
    try {
      return await HelperClient.connect(path);
    } catch (error) {
      const isMissing = error instanceof Failure && error.code === "helper";
      if (!isMissing || performance.now() > end) throw error;
    }
    await sleep(PAUSE_MS);
  }
}
