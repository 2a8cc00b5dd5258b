/** A recording of a terminal as one SVG that plays by itself, in a page's light or dark colours. */
import type { Run, Style } from "./screen.ts";

/** What the screen shows from a moment on. */
export interface Frame {
  /** Milliseconds since the start. */
  readonly at: number;
  readonly lines: readonly (readonly Run[])[];
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const FONT = 14;
const CHARACTER = 8.43;
const LINE = 19;
const MARGIN = 16;
/** Milliseconds that the last frame stays before the recording begins again. */
const LAST_MS = 5_000;

/** SGR colours, for a dark ground: a terminal is dark in either theme. */
const colours: Readonly<Record<number, string>> = {
  30: "#6e7681",
  31: "#ff7b72",
  32: "#7ee787",
  33: "#e3b341",
  34: "#79c0ff",
  35: "#d2a8ff",
  36: "#76e3ea",
  37: "#e6edf3",
};

/**
 * Draws frames as one SVG. Each different line is written once, and frames refer to it.
 * @param title what a reader who can't see it is told
 */
export function animation(frames: readonly Frame[], size: Size, title: string): string {
  const width = Math.ceil(size.columns * CHARACTER) + 2 * MARGIN;
  const height = size.rows * LINE + 2 * MARGIN;
  const total = (frames.at(-1)?.at ?? 0) + LAST_MS;
  const known = new Map<string, string>();
  const groups = frames.map(({ lines }, index) => {
    const uses = lines.flatMap((runs, row) => {
      if (runs.length === 0) return [];
      const drawn = line(runs);
      const id = known.get(drawn) ?? `l${known.size}`;
      known.set(drawn, id);
      return [`<use href="#${id}" y="${row * LINE}"/>`];
    });
    return `<g transform="translate(${index * width} 0)">${uses.join("")}</g>`;
  });
  const keyframes = frames.map(({ at }, index) => {
    const percent = (at / total * 100).toFixed(3);
    return `${percent}%{transform:translateX(-${index * width}px)}`;
  });
  const last = `100%{transform:translateX(-${Math.max(0, frames.length - 1) * width}px)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${
      escaped(title)
    }">`,
    `<title>${escaped(title)}</title>`,
    `<style>text{font:${FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}` +
    `.b{font-weight:600}.d{fill:#8b949e}` +
    `.f{animation:f ${(total / 1000).toFixed(2)}s step-end infinite}` +
    `@keyframes f{${keyframes.join("")}${last}}</style>`,
    `<defs>${
      [...known].map(([drawn, id]) => `<text id="${id}" xml:space="preserve">${drawn}</text>`).join("")
    }</defs>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    `<svg x="${MARGIN}" y="${MARGIN + FONT}" width="${
      width - 2 * MARGIN
    }" height="${height}" overflow="visible">`,
    `<clipPath id="c"><rect x="-${MARGIN}" y="-${
      MARGIN + FONT
    }" width="${width}" height="${height}"/></clipPath>`,
    `<g clip-path="url(#c)"><g class="f">${groups.join("")}</g></g>`,
    `</svg></svg>`,
    "",
  ].join("\n");
}

function line(runs: readonly Run[]): string {
  let column = 0;
  return runs.map(({ text, style }) => {
    const x = (column * CHARACTER).toFixed(1);
    column += [...text].length;
    return `<tspan x="${x}"${look(style)}>${escaped(text)}</tspan>`;
  }).join("");
}

function look({ bold, dim, colour }: Style): string {
  const fill = colour === undefined ? undefined : colours[colour >= 90 ? colour - 60 : colour];
  const classes = [...bold ? ["b"] : [], ...dim && fill === undefined ? ["d"] : []].join(" ");
  return (classes ? ` class="${classes}"` : "") + (fill ? ` fill="${fill}"` : "");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(
    '"',
    "&quot;",
  );
}

/**
 * Shortens pauses and drops frames that nobody could see.
 * @param pauseMs the longest pause that stays @param shortestMs frames that are shown for less are left out
 */
export function paced(frames: readonly Frame[], pauseMs: number, shortestMs: number): Frame[] {
  const kept: Frame[] = [];
  let shortened = 0;
  let before = 0;
  for (const [index, frame] of frames.entries()) {
    shortened += Math.max(0, frame.at - before - pauseMs);
    before = frame.at;
    const next = frames[index + 1];
    if (next !== undefined && next.at - frame.at < shortestMs) continue;
    kept.push({ ...frame, at: frame.at - shortened });
  }
  return kept;
}
