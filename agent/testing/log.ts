import { jsonLog } from "../log.ts";
import type { Log } from "../../wire/log.ts";

/** A log whose lines stay in memory: the JSON that a container would have written. */
export function memoryLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: jsonLog((line) => void lines.push(line), "test"), lines };
}
