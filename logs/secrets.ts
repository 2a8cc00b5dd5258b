/** What stands in the place of a secret. */
export const LEFT_OUT = "[left out]";

/** Shorter values of a kubeconfig or a variable would take ordinary words with them. */
const SHORTEST = 6;

/** A word that names a secret: "token", "x-api-key", "client-key-data". */
const SECRET_NAME =
  /[\w.-]{0,64}(?:token|secret|passw(?:or)?d|passphrase|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|credentials?|client[-_]key(?:-data)?|client[-_]certificate(?:-data)?|certificate-authority-data)/
    .source;
const VALUE = /"(?:[^"\\]|\\.)*"?|'[^']*'?|\\"(?:[^\\]|\\[^"])*(?:\\")?|[^\s"',;&}\])]+/.source;

/** Each pattern with what stays of it. */
const patterns: readonly (readonly [RegExp, string])[] = [
  // PEM: certificates and keys, also where a log has cut them.
  [/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g, LEFT_OUT],
  // The user and password of a URL, and its query.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s"'<>]*@/gi, `$1${LEFT_OUT}@`],
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s?#"'<>]+)\?[^\s"'<>]*/gi, `$1?${LEFT_OUT}`],
  // What follows the scheme of an Authorization header (RFC 9110 §11.4).
  [/\b(bearer|basic|digest|negotiate)\s+[A-Za-z0-9._~+/=-]+/gi, `$1 ${LEFT_OUT}`],
  // name=value, "name": "value", --name value
  [new RegExp(`\\b(${SECRET_NAME}\\\\?["']?\\s*[:=]\\s*)(?:${VALUE})`, "gi"), `$1${LEFT_OUT}`],
  [new RegExp(`(--${SECRET_NAME}\\s+)(?:${VALUE})`, "gi"), `$1${LEFT_OUT}`],
  // JSON Web Tokens, and the tokens of well-known issuers.
  [/\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*/g, LEFT_OUT],
  [
    /\b(?:AKIA|ASIA|gh[opsru]_|github_pat_|glpat-|xox[abeprs]-|k8s-aws-v1\.|ya29\.|sk-)[A-Za-z0-9._/+=-]{8,}/g,
    LEFT_OUT,
  ],
];

/** A run of letters and digits as no name has it: it may be a key. */
const LONG_RUN = /[A-Za-z0-9+_=-]{28,}/g;

/** Leaves out what looks like a secret, and the values that are known to be one. */
export type LeaveOut = (text: string) => string;

/**
 * Leaves out of text what looks like a secret: certificates and keys, a URL's password and query, credentials of headers, values
 * of what is named like a secret, tokens. Too much rather than too little.
 * @param known values that are secret whatever they look like
 */
export function leavingOut(known: Iterable<string> = []): LeaveOut {
  const values = [...new Set([...known].flatMap(spellings))]
    .filter((value) => value.length >= SHORTEST)
    .sort((a, b) => b.length - a.length);
  return (text) => {
    let left = text;
    for (const value of values) left = left.replaceAll(value, LEFT_OUT);
    for (const [pattern, rest] of patterns) left = left.replace(pattern, rest);
    return left.replace(LONG_RUN, (run) => isMixed(run) ? LEFT_OUT : run);
  };
}

/** A value as it is, within JSON, and within a URL. */
function spellings(value: string): string[] {
  const trimmed = value.trim();
  let escaped: string[] = [];
  try {
    escaped = [encodeURIComponent(trimmed)];
  } catch { /* half of a character */ }
  return [trimmed, JSON.stringify(trimmed).slice(1, -1), ...escaped];
}

/** Whether upper and lower case and digits stand together: names of Kubernetes and hexadecimal digests have no such mix. */
function isMixed(run: string): boolean {
  return /[A-Z]/.test(run) && /[a-z]/.test(run) && /[0-9]/.test(run);
}
