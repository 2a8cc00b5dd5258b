import assert from "node:assert/strict";
import { laptopStream, loadRate } from "./probes.ts";
import type { Way } from "./way.ts";

/** A way that says what it was asked to run, and what load says then. */
function way(said: object, more: Partial<Way> = {}): Way & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    name: "in",
    title: "intercepted",
    http: "taken:80",
    bytes: "taken:5201",
    loadProgram: "/load",
    part: () => undefined,
    run: (command) => {
      ran.push(command.join(" "));
      return Promise.resolve(JSON.stringify(said));
    },
    ran,
    ...more,
  };
}

const carried = { bytes: 2 ** 30, bitsPerSecond: 1.5e9 };

Deno.test("bytes to the laptop go up where a pod asks, and come down where the laptop does", async () => {
  for (
    const [direction, asksFromLaptop, isUp] of [
      ["to", false, true],
      ["from", false, false],
      ["to", true, false],
      ["from", true, true],
    ] as const
  ) {
    const asked = way(carried, { asksFromLaptop });
    const found = await laptopStream(direction, 3).measure(asked);
    assert.equal(asked.ran[0]?.split(" ").includes("-up"), isUp, `${direction}, ${asksFromLaptop}`);
    assert.deepEqual(found, { figures: { [`${direction}-laptop`]: 1500 }, work: 1, errors: 0 });
  }
});

Deno.test("a rate that load measures is what was answered in its time, and keeps its first error", async () => {
  const answered = { requests: 20_000, errors: 3, error: "EOF", seconds: 4, p50: 1, p99: 2 };
  const asked = way(answered);
  assert.deepEqual(await loadRate("new-50", 50, 4, true).measure(asked), {
    figures: { "new-50": 5000 },
    work: 2,
    errors: 3,
    error: "EOF",
  });
  assert.deepEqual(asked.ran, ["/load requests -target taken:80 -clients 50 -seconds 4 -new"]);
});
