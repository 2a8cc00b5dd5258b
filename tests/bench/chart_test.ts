import assert from "node:assert/strict";
import { chart } from "./chart.ts";
import { runOf, sample } from "./testing.ts";

const run = runOf([
  sample("port-forward", { "kept-50": 5000, "up-1": 1000, "pace-p99": 5 }),
  sample("ours", { "kept-50": 10_000, "up-1": 250, "pace-p99": 4 }),
]);

Deno.test("each figure has a bar as long as its ratio, beside kubectl's of length one", () => {
  const svg = chart(run);
  const widths = (name: string) =>
    [...svg.matchAll(new RegExp(`class="${name}"[^>]* width="([\\d.]+)"`, "g"))].map(([, width]) =>
      Number(width)
    );
  const [kept = 0, up = 0] = widths("ours");
  const [once = 0] = widths("theirs");
  assert.ok(Math.abs(kept / once - 2) < 0.01 && Math.abs(up / once - 0.25) < 0.01, svg);
  assert.match(svg, /×2\.00 <tspan class="note">10,000 req\/s/);
});

Deno.test("where less is better there is no bar: longer ones are always better", () => {
  assert.doesNotMatch(chart(run), /p99/);
});

Deno.test("a chart is one SVG whose tags are all closed, which says in words what it shows", () => {
  const svg = chart(run);
  assert.match(svg, /^<svg [^>]*aria-label="[^"]*kept alive, 50 clients 2\.00[^"]*">/);
  assert.match(svg, /<\/svg>\n$/);
  for (const tag of ["text", "style", "tspan"]) {
    assert.equal(svg.split(`<${tag}`).length, svg.split(`</${tag}>`).length, tag);
  }
});

Deno.test("a chart's colours follow the reader's theme", () => {
  assert.match(chart(run), /prefers-color-scheme: dark/);
  assert.match(chart(run), /prefers-color-scheme: light/);
});

Deno.test("there's no chart of nothing", () => {
  assert.throws(() => chart(runOf([sample("ours", { "kept-50": 1 })])), RangeError);
});
