/** How a personal rule is told from others: by digests of its match. Apart from the match, for node:crypto takes a command line long to load. */
import { createHash } from "node:crypto";
import { canonicalMatch, type Taken } from "./match.ts";

/**
 * The `keyFingerprint` of a personal rule: it covers the match, and whether it mirrors. An agent that doesn't know one of these,
 * or gets a rule without it, since an older schema dropped it, finds another fingerprint and leaves the rule out. It never
 * takes more than the user asked for.
 */
export function personalFingerprint(
  keyFingerprint: string,
  { match, mirror }: Taken,
): string {
  return sha256(
    `${keyFingerprint}\n${match === undefined ? "" : canonicalMatch(match)}${mirror ? "\nmirror" : ""}`,
  );
}

/** What follows SERVICE-PORT in the name of a personal rule: letters only, so that no other Service's rule has that name. */
export function ruleSuffix(
  owner: string,
  { match, mirror }: Taken,
): string {
  const digest = sha256(
    `${owner}\n${match === undefined ? "" : canonicalMatch(match)}${mirror ? "\nmirror" : ""}`,
  );
  return digest.slice(0, 8).replace(
    /[0-9]/g,
    (digit) => String.fromCharCode("g".charCodeAt(0) + Number(digit)),
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
