import { type Clock, systemClock } from "../async/clock.ts";
import type { Progress } from "../wire/control.ts";
import { formatDuration, type Terminal } from "./terminal.ts";

/** Shows a line of progress. */
export type OnProgress = (line: Progress<unknown>) => void;

const FRAMES = { symbols: ["⠋", "⠙", "⠸", "⠴", "⠦", "⠇"], ascii: ["-", "\\", "|", "/"] };
const FRAME_MS = 100;
/** Between lines that differ in their numbers only, where lines can't be redrawn, in milliseconds. */
const COUNT_MS = 10_000;

/**
 * Shows steps as they run: on a terminal with a spinner, elsewhere as a line for each one that is done, and for each
 * other reason to wait. Dispose it when the work has ended: the line of a step that didn't finish is cleared.
 */
export class Steps implements Disposable {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  #running: { name: string; detail: string; since: number } | undefined;
  /** The detail that was written last, and when, where lines can't be redrawn. */
  #written: { detail: string; at: number } | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #frame = 0;

  constructor(terminal: Terminal, clock: Clock = systemClock) {
    this.#terminal = terminal;
    this.#clock = clock;
  }

  /** Shows one line of progress. */
  readonly show: OnProgress = (line) => {
    switch (line.kind) {
      case "step":
        if (line.state === "started") this.#start(line.name);
        else this.#done(line.name, line.ms, line.detail);
        break;
      case "detail":
        this.#detail(line.name, line.detail);
        break;
      case "warning":
        this.#clear();
        this.#terminal.warn(line.message, line.hint);
        this.#draw();
        break;
    }
  };

  [Symbol.dispose](): void {
    this.#clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#running = undefined;
  }

  #start(name: string): void {
    this.#running = { name, detail: "", since: this.#clock.now() };
    this.#written = undefined;
    if (!this.#terminal.canRedraw) return;
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS);
    this.#draw();
  }

  #detail(name: string, detail: string): void {
    if (this.#running?.name === name) {
      if (this.#running.detail === detail) return; // a waiting step reports the same detail repeatedly
      this.#running.detail = detail;
    }
    if (this.#terminal.canRedraw) this.#draw();
    else this.#write(name, detail);
  }

  #write(name: string, detail: string): void {
    const now = this.#clock.now();
    const last = this.#written;
    if (last && now - last.at < COUNT_MS && withoutNumbers(last.detail) === withoutNumbers(detail)) return;
    this.#written = { detail, at: now };
    const spent = this.#running?.name === name ? now - this.#running.since : 0;
    this.#terminal.note(`    ${name}${spent < 1000 ? "" : ` (${formatDuration(spent)})`}: ${detail}`);
  }

  #done(name: string, ms: number, detail: string | undefined): void {
    this.#clear();
    if (this.#running?.name === name) this.#running = undefined;
    this.#terminal.note(
      { text: this.#terminal.hasSymbols ? "✓ " : "ok  ", style: "green" },
      name.padEnd(36),
      {
        text: ` ${formatDuration(ms).padStart(8)}${detail === undefined ? "" : `  ${detail}`}`,
        style: "dim",
      },
    );
    this.#draw();
  }

  #draw(): void {
    if (!this.#running || !this.#terminal.canRedraw) return;
    const frames = this.#terminal.hasSymbols ? FRAMES.symbols : FRAMES.ascii;
    const { name, detail, since } = this.#running;
    const spent = this.#clock.now() - since;
    const time = spent < 1000 ? "" : ` ${formatDuration(spent)}`;
    this.#terminal.redraw(
      `${frames[this.#frame++ % frames.length]} ${name}${time}${detail ? `  ${detail}` : ""}`,
    );
  }

  #clear(): void {
    if (this.#running && this.#terminal.canRedraw) this.#terminal.redraw("");
  }
}

function withoutNumbers(text: string): string {
  return text.replace(/[0-9][0-9,.]*/g, "0");
}
