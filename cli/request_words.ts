import type { InterceptEntry } from "../wire/control.ts";

/** "3 of 40, 1 to the pods", "3 mirrored, 1 dropped of 40"; nothing for a whole Service, whose requests are not told apart. */
export function requestWords({ requests, mirror }: InterceptEntry): string {
  if (requests === undefined) return "";
  const { seen, taken, declined } = requests;
  if (mirror) return `${taken} mirrored, ${declined} dropped of ${seen}`;
  return `${taken} of ${seen}${declined > 0 ? `, ${declined} to the pods` : ""}`;
}
