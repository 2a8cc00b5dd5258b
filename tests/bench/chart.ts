import { figureOf } from "./figures.ts";
import type { Run } from "./record.ts";
import { figure, median } from "./statistics.ts";
import { ratio, values } from "./summary.ts";
import { baselines } from "./table.ts";

/** What is drawn, from top to bottom: where more is better, so that longer bars are. */
const drawn = [
  "kept-50",
  "kept-1",
  "new-50",
  "r1000-u50",
  "r5000-u100",
  "r10000-u300",
  "up-1",
  "up-8",
  "down-1",
  "down-8",
];

const WIDTH = 760;
const TOP = 64;
const ROW = 30;
const LEFT = 230;
const RIGHT = 160;

/**
 * Colours of both themes: an image in a page follows the reader's own setting. The first ones are for what doesn't know
 * of settings, and can be read on either ground.
 */
const style = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #6e7781 }
  .title { font-size: 16px; font-weight: 600 }
  .note { font-size: 12px }
  .ours { fill: #2f81f7 }
  .theirs { fill: #8c959f }
  .once { stroke: #8c959f; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: light) {
    text { fill: #1f2328 }
    .note { fill: #59636e }
  }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
  }`;

/**
 * Draws how many times what `kubectl port-forward` does pmz does, each figure of the same run.
 *
 * @throws {RangeError} for a run that has nothing of it
 */
export function chart(run: Run): string {
  const baseline = baselines[run.kind];
  const bars = drawn.flatMap((name) => {
    const times = ratio(run, name, "ours", baseline);
    return times === undefined ? [] : [{ name, times, ours: median(values(run, "ours", name)) }];
  });
  if (bars.length === 0) {
    throw new RangeError("this run has no figures of pmz and kubectl port-forward to draw");
  }
  const most = Math.max(2, ...bars.map(({ times }) => times));
  const x = (times: number) => round(LEFT + times / most * (WIDTH - LEFT - RIGHT));
  const bottom = TOP + bars.length * ROW;
  const parts = bars.map(({ name, times, ours }, i) => {
    const { title, unit } = figureOf(name);
    const y = TOP + i * ROW;
    return `  <text x="${LEFT - 10}" y="${y + 15}" text-anchor="end">${escape(title)}</text>
  <rect class="ours" x="${LEFT}" y="${y + 2}" width="${round(x(times) - LEFT)}" height="11" rx="1"/>
  <rect class="theirs" x="${LEFT}" y="${y + 14}" width="${round(x(1) - LEFT)}" height="6" rx="1"/>
  <text x="${round(Math.max(x(times), x(1)) + 8)}" y="${y + 15}">×${figure(times)} <tspan class="note">${
      escape(`${figure(ours)} ${unit}`)
    }</tspan></text>`;
  });
  const about = `median of ${run.rounds} interleaved ${run.rounds === 1 ? "round" : "rounds"}, ${
    run.began.slice(0, 10)
  }, ${run.facts.cores} cores`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${
    bottom + 34
  }" role="img" aria-label="${escape(`pmz up, in multiples of kubectl port-forward: ${spoken(bars)}`)}">
  <style>${style}
  </style>
  <text class="title" x="16" y="26">pmz up, in multiples of kubectl port-forward</text>
  <text class="note" x="16" y="46">blue: pmz; grey: kubectl port-forward of the same run; longer is better</text>
${parts.join("\n")}
  <line class="once" x1="${x(1)}" y1="${TOP - 4}" x2="${x(1)}" y2="${bottom}"/>
  <text class="note" x="16" y="${bottom + 22}">${escape(about)}</text>
</svg>
`;
}

function spoken(bars: readonly { name: string; times: number }[]): string {
  return bars.map(({ name, times }) => `${figureOf(name).title} ${figure(times)}`).join("; ");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);
}
