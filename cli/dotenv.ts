/** Characters that no parser of .env files gives a meaning, without quotes. */
const PLAIN = /^[A-Za-z0-9_.\/:@%+,=-]*$/;
/** The same with backslashes, which only shells give one. */
const PLAIN_WITH_BACKSLASHES = /^[A-Za-z0-9_.\/:@%+,=\\-]*$/;
/** Names that all parsers read. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** A .env file's text, and what could not be said in it. */
export interface Dotenv {
  readonly text: string;
  /** Names whose values parsers read differently: Compose's and Python's reading is right. */
  readonly unsure: readonly string[];
  /** Names that no .env file has. */
  readonly leftOut: readonly string[];
}

/**
 * Variables as a .env file, in the form that is read alike by npm's dotenv (VS Code), python-dotenv, Docker Compose, shells, and
 * `docker run --env-file` for values without quotes.
 *
 * | value | written as |
 * | --- | --- |
 * | letters, digits, `_./:@%+,=-` | as it is |
 * | no `"`, `\`, `$`, backtick | in double quotes, line feeds as `\n` |
 * | no `'`, no `\\`, no `\` last, no `${`, no carriage return | in single quotes, as it is |
 * | anything else | in double quotes, escaped: npm's dotenv keeps the backslashes |
 */
export function dotenv(variables: Iterable<readonly [string, string]>): Dotenv {
  const lines: string[] = [];
  const unsure: string[] = [];
  const leftOut: string[] = [];
  for (const [name, value] of variables) {
    if (!NAME.test(name)) {
      leftOut.push(name);
      continue;
    }
    const { written, isSure } = quoted(value);
    if (written === undefined) leftOut.push(name);
    else lines.push(`${name}=${written}\n`);
    if (written !== undefined && !isSure) unsure.push(name);
  }
  return { text: lines.join(""), unsure, leftOut };
}

function quoted(value: string): { readonly written?: string; readonly isSure: boolean } {
  if (PLAIN.test(value)) return { written: value, isSure: true };
  if (!/["\\$`]/.test(value)) {
    const escaped = value.replaceAll("\n", "\\n").replaceAll("\r", "\\r");
    return { written: `"${escaped}"`, isSure: true };
  }
  if (!/'|\\\\|\\$|\$\{|\r/.test(value)) return { written: `'${value}'`, isSure: true };
  if (PLAIN_WITH_BACKSLASHES.test(value)) return { written: value, isSure: true };
  if (value.endsWith("\\")) return { isSure: false }; // npm's dotenv would read on into the next lines
  const escaped = value.replace(/["\\$]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return { written: `"${escaped}"`, isSure: false };
}
