#!/bin/sh
# Deno 2.9.6: an abort doesn't reach a fetch whose body is being read, once the Response object has been collected.
#
# Seen: `const { body } = await fetch(url, { signal })`, a reader of that body, and a read that waits. After a garbage collection
# controller.abort() no longer rejects the read: it waits for ever. Only a reference to the Response itself prevents that; one to the
# body, the reader or the Request doesn't. Event listeners aren't affected, also not those of nested AbortSignal.any signals.
# Expected (https://dom.spec.whatwg.org/#abort-signal-garbage-collection): a signal that has abort algorithms isn't collected.
# Why: fetch adds an abort algorithm to a signal that depends on the given one, and only event listeners keep such a signal alive.
# Way round: race the read with an abort listener of one's own.
#
# Needs npm and a Linux that Deno's npm package has a binary for. Fails when the behaviour changes.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-save deno@2.9.6 >/dev/null

cat >try.ts <<'TRY'
const { gc } = globalThis as unknown as { gc(): void };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends ten bytes, and then nothing. */
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () =>
  new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) })));
const url = `http://127.0.0.1:${server.addr.port}/`;

/** What becomes of a read that waits when the signal aborts after a garbage collection. */
async function aborted(kept: "nothing" | "reader" | "response"): Promise<string> {
  const controller = new AbortController();
  const references: unknown[] = [];
  const [read] = await (async () => {
    const response = await fetch(url, { signal: controller.signal });
    const reader = response.body!.getReader();
    await reader.read();
    if (kept === "reader") references.push(reader);
    if (kept === "response") references.push(response);
    return [reader.read().then(() => "resolves", () => "rejects")];
  })();
  for (let i = 0; i < 10; i++) await pause(5).then(gc);
  controller.abort(new Error("enough"));
  const outcome = await Promise.race([read, pause(1_000).then(() => "waits for ever")]);
  return references.length > 1 ? "never" : outcome!;
}

/** Whether a listener on nested dependent signals is told after a garbage collection. */
async function told(): Promise<boolean> {
  const controller = new AbortController();
  let told = false;
  (() => {
    const inner = AbortSignal.any([controller.signal, new AbortController().signal]);
    AbortSignal.any([inner, AbortSignal.timeout(60_000)]).addEventListener("abort", () => told = true);
  })();
  for (let i = 0; i < 10; i++) await pause(5).then(gc);
  controller.abort();
  return told;
}

console.log(`Deno ${Deno.version.deno}`);
console.log(`nothing kept: the read ${await aborted("nothing")}`);
console.log(`the reader kept: the read ${await aborted("reader")}`);
console.log(`the response kept: the read ${await aborted("response")}`);
console.log(`a listener of a nested signal: ${await told() ? "told" : "not told"}`);
Deno.exit();
TRY

cat >expected <<'EXPECTED'
Deno 2.9.6
nothing kept: the read waits for ever
the reader kept: the read waits for ever
the response kept: the read rejects
a listener of a nested signal: told
EXPECTED

NO_COLOR=1 ./node_modules/.bin/deno run --quiet --allow-net=127.0.0.1 --v8-flags=--expose-gc try.ts >seen
cat seen
diff expected seen
