import { clean } from "../cli/sanitize.ts";

/** A view whose texts have nothing that changes how others are read, as a terminal gets them. */
export function cleaned<T>(view: T): T {
  return JSON.parse(JSON.stringify(view), (_, value) => typeof value === "string" ? clean(value) : value);
}
