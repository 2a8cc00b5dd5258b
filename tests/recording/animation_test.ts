import assert from "node:assert/strict";
import { animation, type Frame, paced } from "./animation.ts";

const frame = (at: number, text: string): Frame => ({
  at,
  lines: [[{ text, style: { bold: false, dim: false } }]],
});

Deno.test("each different line is written once, however many frames show it", () => {
  const svg = animation([frame(0, "$ pmz up"), frame(100, "$ pmz up"), frame(200, "ok")], {
    columns: 80,
    rows: 2,
  }, "t");
  assert.equal(svg.split("$ pmz up").length - 1, 1);
  assert.equal(svg.match(/<use /g)?.length, 3);
});

Deno.test("text and title can't break out of the image", () => {
  const svg = animation([frame(0, `<a>&"`)], { columns: 10, rows: 1 }, `"><script>`);
  assert.ok(svg.includes("&lt;a&gt;&amp;&quot;"));
  assert.doesNotMatch(svg, /<script>|<a>/);
});

Deno.test("long pauses get shorter, and frames too short to be seen are left out", () => {
  const frames = paced([frame(0, "a"), frame(10, "b"), frame(9_000, "c"), frame(9_100, "d")], 1_000, 50);
  assert.deepEqual(frames.map(({ at, lines }) => [at, lines[0]?.[0]?.text]), [[10, "b"], [1_010, "c"], [
    1_110,
    "d",
  ]]);
});
