/** How a rule is told from others: by digests of what it takes. Apart from the match, for node:crypto takes a command line long to load. */
import { createHash } from "node:crypto";
import { isPersonal } from "./intercept.ts";
import { canonicalMatch, type Taken } from "./match.ts";

/** What follows SERVICE-PORT in the name of the rule for a whole UDP port: a TCP port may have the same number. */
const UDP_SUFFIX = "udp";

/**
 * The `keyFingerprint` of a rule: of one for a whole TCP port the session's own. Else it covers the match, whether it mirrors, and the
 * protocol. An agent that doesn't know one of these, or gets a rule without it, since an older schema dropped it, finds another
 * fingerprint and leaves the rule out. It never takes anything else than the user asked for.
 */
export function ruleFingerprint(keyFingerprint: string, taken: Taken): string {
  if (!isPersonal(taken) && taken.protocol === undefined) return keyFingerprint;
  return sha256(`${keyFingerprint}\n${words(taken)}`);
}

/**
 * What follows SERVICE-PORT in the name of a rule: letters only, so that no other Service's rule has that name. Undefined of a rule for
 * a whole TCP port.
 */
export function ruleSuffix(owner: string, taken: Taken): string | undefined {
  if (!isPersonal(taken)) return taken.protocol === undefined ? undefined : UDP_SUFFIX;
  return sha256(`${owner}\n${words(taken)}`).slice(0, 8).replace(
    /[0-9]/g,
    (digit) => String.fromCharCode("g".charCodeAt(0) + Number(digit)),
  );
}

/** What is taken, as a text that nothing else has. */
function words({ match, mirror, protocol }: Taken): string {
  const parts = [match === undefined ? "" : canonicalMatch(match), ...mirror ? ["mirror"] : []];
  return [...parts, ...protocol === undefined ? [] : [protocol]].join("\n");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
