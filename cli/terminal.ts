import type { CliParts, Output } from "./parts.ts";
import { clean, cleanJson } from "./sanitize.ts";

/** How much is printed, and in which form. */
export interface Look {
  readonly output: "text" | "json";
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** The fields of a JSON object besides those that say what it is. */
type JsonContent = Readonly<Record<string, unknown>> & { readonly apiVersion?: never; readonly kind?: never };

const API_VERSION = "pmz.dev/cli/v1";

const styles = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33" } as const;

/** A piece of a line; what isn't styled is plain. */
export type StyledText = string | { readonly text: string; readonly style: keyof typeof styles };

/**
 * What people see. Data goes to stdout; steps, warnings, questions and errors go to stderr. All text passes through
 * here and is cleaned here, so no command can forget to; colours only where they are wanted and seen.
 */
export class Terminal {
  readonly #parts: Pick<CliParts, "stdout" | "stderr" | "env">;
  readonly look: Look;
  /** Whether the last line of stderr is one that is being redrawn. */
  #isDrawn = false;

  constructor(parts: Pick<CliParts, "stdout" | "stderr" | "env">, look: Look) {
    this.#parts = parts;
    this.look = look;
  }

  /** The same terminal where stdout is another program's: data goes to stderr, too. */
  aside(): Terminal {
    const { stderr, env } = this.#parts;
    return new Terminal({ stdout: stderr, stderr, env }, this.look);
  }

  /** A line of data. Prints nothing where JSON was asked for. */
  print(...pieces: StyledText[]): void {
    if (this.look.output === "text") this.#line(this.#parts.stdout, pieces);
  }

  /** A line of data that --quiet leaves out. */
  tell(...pieces: StyledText[]): void {
    if (!this.look.quiet) this.print(...pieces);
  }

  /** A line about progress, apart from the data. */
  note(...pieces: StyledText[]): void {
    if (!this.look.quiet) this.#line(this.#parts.stderr, pieces);
  }

  /** A warning, and what to do about it. */
  warn(message: string, hint?: string): void {
    this.#line(this.#parts.stderr, [{ text: "warning:", style: "yellow" }, ` ${message}`]);
    if (hint !== undefined) this.#line(this.#parts.stderr, [{ text: "  hint:", style: "dim" }, ` ${hint}`]);
  }

  /** Why the command failed: one line, a hint, and with --verbose the causes. */
  error(message: string, hint?: string, causes: readonly string[] = []): void {
    this.#line(this.#parts.stderr, [{ text: "error:", style: "red" }, ` ${message}`]);
    if (hint !== undefined) this.#line(this.#parts.stderr, [{ text: "  hint:", style: "dim" }, ` ${hint}`]);
    if (!this.look.verbose) return;
    for (const cause of causes) {
      this.#line(this.#parts.stderr, [{ text: "  cause:", style: "dim" }, ` ${cause}`]);
    }
  }

  /** A question on stderr, without an end of line. */
  question(text: string): void {
    this.#parts.stderr.write(`${clean(text)} `);
  }

  /** The data as a JSON object with its kind. Prints nothing where text was asked for. */
  json(kind: string, content: JsonContent): void {
    if (this.look.output !== "json") return;
    this.#parts.stdout.write(`${cleanJson({ apiVersion: API_VERSION, kind, ...content })}\n`);
  }

  /** One of several JSON objects, each on a line of its own. Prints nothing where text was asked for. */
  jsonLine(kind: string, content: JsonContent): void {
    if (this.look.output !== "json") return;
    this.#parts.stdout.write(`${cleanJson({ apiVersion: API_VERSION, kind, ...content }, "line")}\n`);
  }

  /** Text for programs (YAML), unchanged. Only pmz's own: nothing from outside. */
  raw(text: string): void {
    this.#parts.stdout.write(text);
  }

  /** A file's text, as it is; on a terminal, made fit for one. */
  file(text: string): void {
    const { stdout } = this.#parts;
    const lines = text.split("\n").map((line) => clean(line, line.length));
    stdout.write(stdout.isTerminal ? lines.join("\n") : text);
  }

  /** Rows in columns, two spaces apart; a heading where one is given. */
  table(rows: readonly (readonly string[])[], heading?: readonly string[]): void {
    const cells = rows.map((row) => row.map((cell) => clean(cell)));
    const all = heading ? [heading, ...cells] : cells;
    const widths = (all[0] ?? []).map((_, column) =>
      Math.max(...all.map((row) => widthOf(row[column] ?? "")))
    );
    all.forEach((row, i) => {
      const text = row.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - widthOf(cell))).join(
        "  ",
      ).trimEnd();
      this.print(heading && i === 0 ? { text, style: "dim" } : text);
    });
  }

  /** Whether steps can be redrawn: stderr is a terminal, and --quiet was not given. */
  get canRedraw(): boolean {
    return this.#parts.stderr.isTerminal && !this.look.quiet && this.#parts.env.get("TERM") !== "dumb";
  }

  /** Whether the locale has more than ASCII. */
  get hasSymbols(): boolean {
    const { env } = this.#parts;
    const locale = env.get("LC_ALL") || env.get("LC_CTYPE") || env.get("LANG") || "";
    return this.#parts.stderr.isTerminal && /utf-?8/i.test(locale);
  }

  /** Replaces the line that is being redrawn on stderr; the empty text takes it away. */
  redraw(text: string): void {
    const width = Math.max(20, this.#parts.stderr.columns() ?? 80);
    const line = clean(text);
    this.#isDrawn = line !== "";
    const fits = widthOf(line) < width ? line : `${Array.from(line).slice(0, width - 2).join("")}…`;
    this.#parts.stderr.write(`\r\x1b[K${fits}`);
  }

  #line(to: Output, pieces: readonly StyledText[]): void {
    const coloured = to.isTerminal && !this.#parts.env.get("NO_COLOR") &&
      this.#parts.env.get("TERM") !== "dumb";
    const line = pieces.map((piece) => {
      if (typeof piece === "string") return clean(piece);
      return coloured ? `\x1b[${styles[piece.style]}m${clean(piece.text)}\x1b[0m` : clean(piece.text);
    });
    if (this.#isDrawn) this.redraw("");
    to.write(`${line.join("")}\n`);
  }
}

/** Columns that text takes, a code point each: Kubernetes' names are ASCII. */
function widthOf(text: string): number {
  return Array.from(text).length;
}

/** A span of time for people: "12 ms", "4.2 s", "3 min 5 s", "2 h 10 min", "3 d 4 h". */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return two(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.floor(minutes / 60);
  return two(Math.floor(hours / 24), "d", hours % 24, "h");
}

function two(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

/** A number of bytes for people: "312 B", "1.2 KiB", "30 MiB". */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, "B"];
  for (const larger of ["KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1024) break;
    [value, unit] = [value / 1024, larger];
  }
  return `${unit === "B" || value >= 10 ? Math.round(value) : value.toFixed(1)} ${unit}`;
}
