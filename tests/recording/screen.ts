// deno-lint-ignore-file no-control-regex -- control characters are what is parsed here
/** A terminal's screen, as far as pmz's own output needs one: text, line ends, cursor moves, colours (ECMA-48). */

/** How a cell is shown. */
export interface Style {
  readonly bold: boolean;
  readonly dim: boolean;
  /** An SGR colour from 30 to 37 or 90 to 97; undefined for the default one. */
  readonly colour?: number;
}

/** Neighbouring cells of one style. */
export interface Run {
  readonly text: string;
  readonly style: Style;
}

interface Cell {
  readonly text: string;
  readonly style: Style;
}

const PLAIN: Style = { bold: false, dim: false };
const BLANK: Cell = { text: " ", style: PLAIN };
const token =
  /\x1b\[([0-9;?]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]/gsu;
/** The beginning of a sequence that isn't complete yet. */
const unfinished = /\x1b(?:\[[0-9;?]*|\][^\x07\x1b]*)?$/;

export class Screen {
  readonly columns: number;
  readonly rows: number;
  #lines: Cell[][];
  #row = 0;
  #column = 0;
  #style = PLAIN;
  #rest = "";

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#lines = Array.from({ length: rows }, () => []);
  }

  /** Shows what a program wrote. A sequence that is cut off waits for its rest. */
  write(text: string): void {
    const all = this.#rest + text;
    const cut = unfinished.exec(all)?.index ?? all.length;
    this.#rest = all.slice(cut);
    for (const [what = "", parameters = "", final] of all.slice(0, cut).matchAll(token)) {
      if (final !== undefined) this.#control(final, parameters.split(";").map(Number));
      else if (what === "\n") this.#lineFeed();
      else if (what === "\r") this.#column = 0;
      else if (what === "\b") this.#column = Math.max(0, this.#column - 1);
      else if (what >= " " && what !== "\x7f" && !what.startsWith("\x1b")) this.#put(what);
    }
  }

  /** The lines from top to bottom, without blank ends. */
  get lines(): Run[][] {
    return this.#lines.map((cells) => {
      const runs: { text: string; style: Style }[] = [];
      for (const cell of cells) {
        const last = runs.at(-1);
        if (last?.style === cell.style) last.text += cell.text;
        else runs.push({ ...cell });
      }
      const last = runs.at(-1);
      if (last) last.text = last.text.trimEnd();
      return runs.filter((run) => run.text !== "");
    });
  }

  /** The row that the cursor is in, from 0. */
  get row(): number {
    return this.#row;
  }

  #put(character: string): void {
    if (this.#column >= this.columns) {
      this.#column = 0;
      this.#lineFeed();
    }
    const line = this.#line();
    while (line.length < this.#column) line.push(BLANK);
    line[this.#column++] = { text: character, style: this.#style };
  }

  #line(): Cell[] {
    return this.#lines[this.#row] ??= [];
  }

  #lineFeed(): void {
    if (this.#row < this.rows - 1) this.#row++;
    else this.#lines = [...this.#lines.slice(1), []];
  }

  #control(final: string, parameters: readonly number[]): void {
    const [first = 0] = parameters;
    const count = Math.max(1, first);
    if (final === "A") this.#row = Math.max(0, this.#row - count);
    else if (final === "B") this.#row = Math.min(this.rows - 1, this.#row + count);
    else if (final === "C") this.#column = Math.min(this.columns - 1, this.#column + count);
    else if (final === "D") this.#column = Math.max(0, this.#column - count);
    else if (final === "G") this.#column = Math.min(this.columns, count) - 1;
    else if (final === "K") this.#eraseInLine(first);
    else if (final === "J") this.#eraseInScreen(first);
    else if (final === "m") this.#select(parameters);
  }

  #eraseInLine(what: number): void {
    if (what === 0) this.#line().length = Math.min(this.#line().length, this.#column);
    else if (what === 2) this.#lines[this.#row] = [];
  }

  #eraseInScreen(what: number): void {
    const from = what === 0 ? this.#row + 1 : 0;
    if (what === 0) this.#eraseInLine(0);
    for (let row = from; row < this.rows; row++) this.#lines[row] = [];
  }

  #select(parameters: readonly number[]): void {
    for (const parameter of parameters.length > 0 ? parameters : [0]) {
      if (parameter === 0) this.#style = PLAIN;
      else if (parameter === 1) this.#style = { ...this.#style, bold: true };
      else if (parameter === 2) this.#style = { ...this.#style, dim: true };
      else if (parameter === 22) this.#style = { ...this.#style, bold: false, dim: false };
      else if (parameter === 39) this.#style = { bold: this.#style.bold, dim: this.#style.dim };
      else if (parameter >= 30 && parameter <= 37 || parameter >= 90 && parameter <= 97) {
        this.#style = { ...this.#style, colour: parameter };
      }
    }
  }
}
