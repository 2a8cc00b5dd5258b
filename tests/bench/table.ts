import { describe } from "./facts.ts";
import { figureOf } from "./figures.ts";
import type { Run } from "./record.ts";
import { figure, median } from "./statistics.ts";
import { byRound, cpu, judge, measured, ratio, values } from "./summary.ts";

/** What others are compared with, in each kind of run. */
export const baselines = {
  loopback: "relay",
  cluster: "port-forward",
  distance: "direct",
  intercepts: "pod",
  personal: "relay",
  start: "empty",
  udp: "relays",
  scale: "before",
} as const;

/** All that a run found, as Markdown that is readable on a terminal. */
export function report(run: Run): string {
  return [
    `${run.kind}, ${run.began.slice(0, 16).replace("T", " ")} UTC, median of ${run.rounds} rounds` +
    `${run.quick ? " (quick: short ones)" : ""}, ${Math.round(run.seconds)} s altogether`,
    describe(run.facts),
    ...isBusy(run) ? ["The machine was busy: believe CPU seconds rather than rates."] : [],
    "",
    figuresTable(run),
    goalsTable(run),
    beforeTable(run),
    cpuTable(run),
    memoryTable(run),
    troubles(run),
  ].filter((part) => part !== undefined).join("\n");
}

/** More was waiting for a core than there are cores, before anything was measured. */
function isBusy({ facts: { load: [load = 0], cores } }: Run): boolean {
  return load > cores;
}

function figuresTable(run: Run): string {
  const baseline = baselines[run.kind];
  const rows = measured(run).map((name) => {
    const { title, unit } = figureOf(name);
    return [
      `${title}${unit === "" ? "" : `, ${unit}`}`,
      ...run.rows.map((row) => cell(run, row.name, name, baseline)),
    ];
  });
  return table(["median (lowest to highest), times baseline", ...run.rows.map(({ title }) => title)], rows);
}

function cell(run: Run, row: string, name: string, baseline: string): string {
  const found = values(run, row, name);
  if (found.length === 0) return "–";
  const times = ratio(run, name, row, baseline);
  const spread = found.length === 1
    ? ""
    : ` (${figure(Math.min(...found))} to ${figure(Math.max(...found))})`;
  return `${figure(median(found))}${spread}${
    times === undefined || row === baseline ? "" : ` ×${figure(times)}`
  }`;
}

function goalsTable(run: Run): string | undefined {
  const judged = judge(run);
  const titles = new Map(run.rows.map(({ name, title }) => [name, title]));
  const usual = judged[0]?.row;
  return table(
    ["goal", "compared with", "wanted", "found", "verdict", "others"],
    judged.map((goal) => {
      const { better, title } = figureOf(goal.figure);
      const mark = goal.over !== undefined ? "×" : goal.minus !== undefined ? "+" : "";
      const other = goal.over ?? goal.minus;
      return [
        goal.row === usual ? title : `${titles.get(goal.row) ?? goal.row}: ${title}`,
        other === undefined ? "itself" : titles.get(other) ?? other,
        `${better === "more" ? "≥" : "≤"} ${mark}${goal.goal}`,
        goal.reached === undefined ? "–" : `${mark}${figure(goal.reached)}`.replace("+-", "-"),
        goal.verdict === "missed" ? "MISSED" : goal.verdict,
        Object.entries(goal.others ?? {}).map(([name, value]) => `${name} ×${value}`).join(", "),
      ];
    }),
  );
}

/** The measurements whose CPU time is shown. */
const COSTS = ["kept-50", "kept-1", "http2-50", "http2-1", "up-1", "down-1", "to-laptop", "from-laptop"];

/** What another version is compared by: the ratio of each round, and of these the median. */
function beforeTable(run: Run): string | undefined {
  if (!run.rows.some(({ name }) => name === "before")) return undefined;
  const row = (title: string, ratios: readonly number[]) =>
    ratios.length === 0 ? [] : [[
      title,
      `×${figure(median(ratios))}`,
      `${figure(Math.min(...ratios))} to ${figure(Math.max(...ratios))}`,
    ]];
  const rows = measured(run).flatMap((name) =>
    row(figureOf(name).title, byRound(run, (sample) => sample.figures[name]))
  );
  const parts = [...new Set(run.samples.flatMap(({ cpu }) => Object.keys(cpu)))];
  const costs = [...COSTS, "new-50"].flatMap((probe) =>
    parts.flatMap((part) =>
      row(
        `${figureOf(probe).title}: CPU of ${part}`,
        byRound(run, (sample) => sample.probe === probe ? sample.cpu[part] : undefined),
      )
    )
  );
  return table(["this pmz over the one before, by rounds", "median", "lowest to highest"], [
    ...rows,
    ...costs,
  ]);
}

function cpuTable(run: Run): string | undefined {
  const rows = COSTS.flatMap((probe) =>
    run.rows.flatMap(({ name, title }) => {
      const parts = Object.entries(cpu(run, name, probe)).filter(([, seconds]) => seconds >= 0.005);
      if (parts.length === 0) return [];
      const total = parts.reduce((sum, [, seconds]) => sum + seconds, 0);
      const { title: what } = figureOf(probe);
      const per = probe.startsWith("kept") || probe.startsWith("http2") ? "10,000 requests" : "a GiB";
      const each = parts.toSorted(([, one], [, other]) => other - one)
        .map(([part, seconds]) => `${part} ${figure(seconds)}`).join(", ");
      return [[`${what}: s for ${per}`, title, figure(total), each]];
    })
  );
  return rows.length === 0 ? undefined : table(["CPU seconds", "way", "all", "of which"], rows);
}

function memoryTable({ memory }: Run): string | undefined {
  if (memory.length === 0) return undefined;
  const parts = [...new Set(memory.flatMap(({ mib }) => Object.keys(mib)))];
  return table(
    ["memory in RAM, MiB", "idle streams", ...parts],
    memory.map(({ when, streams, mib }) => [
      when,
      streams.toLocaleString("en-US"),
      ...parts.map((part) => mib[part] === undefined ? "–" : figure(mib[part])),
    ]),
  );
}

function troubles(run: Run): string | undefined {
  const lines = run.samples.filter(({ errors, error }) => errors > 0 || error !== undefined)
    .map(({ round, row, probe, errors, error = "" }) =>
      `- round ${round}, ${row}, ${probe}: ${errors} errors${
        error === "" ? "" : `; ${error.trim().split("\n").at(-1)}`
      }`
    );
  return lines.length === 0 ? undefined : `Not answered, or broken:\n${lines.join("\n")}\n`;
}

/** A table of Markdown with columns of even width. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, i) => (cells[i] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line), ""].join("\n");
}
