import assert from "node:assert/strict";
import type { CliParts } from "./parts.ts";
import { World } from "./testing/run.ts";

const url = "http://127.0.0.1:4600/TOKEN/";

/** A page that ends with `how`, and what was asked for it. */
function page(how: "down" | "interrupted" = "down") {
  const asked: { ports: number[]; opened: string[] } = { ports: [], opened: [] };
  const parts: Partial<CliParts> = {
    servePage({ port }) {
      asked.ports.push(port);
      return Promise.resolve({ url, ended: Promise.resolve(how) });
    },
    openBrowser(opened) {
      asked.opened.push(opened);
      return Promise.resolve(false);
    },
  };
  return { asked, parts };
}

Deno.test("the page's address is printed, and opened", async () => {
  await using world = new World();
  const { asked, parts } = page();
  const { code, stdout, stderr } = await world.pmz("ui", parts);
  assert.deepEqual([code, stdout], [0, `${url}\n`]);
  assert.deepEqual(asked, { ports: [0], opened: [url] });
  assert.match(
    stderr,
    /no browser could be opened: open this address in one\nto end it: Ctrl-C\npmz is down\n$/,
  );
});

Deno.test("--no-open only prints it, on the port that was asked for", async () => {
  await using world = new World();
  const { asked, parts } = page("interrupted");
  const { code, stdout, stderr } = await world.pmz("ui --no-open --port 4600 -o json", parts);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { apiVersion: "pmz.dev/cli/v1", kind: "Page", url });
  assert.deepEqual(asked, { ports: [4600], opened: [] });
  assert.equal(stderr, "to end it: Ctrl-C\n");
});

Deno.test("Ctrl-C is its regular end", async () => {
  await using world = new World();
  const interrupted = new AbortController();
  const { code } = await world.pmz("ui --no-open", {
    interrupted: interrupted.signal,
    servePage(_, signal) {
      const ended = Promise.withResolvers<"interrupted">();
      signal.addEventListener("abort", () => ended.resolve("interrupted"));
      queueMicrotask(() => interrupted.abort(new DOMException("interrupted", "AbortError")));
      return Promise.resolve({ url, ended: ended.promise });
    },
  });
  assert.equal(code, 0);
});

Deno.test("--quiet prints the address alone", async () => {
  await using world = new World();
  const { stdout, stderr } = await world.pmz("ui --quiet --no-open", page().parts);
  assert.deepEqual([stdout, stderr], [`${url}\n`, ""]);
});
