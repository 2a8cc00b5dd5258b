import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { type Pause, WriteCoalescing } from "./coalescing.ts";

const FRAME = 50;

function queue(coalescing: WriteCoalescing, frames: number): void {
  for (let i = 0; i < frames; i++) coalescing.frame(FRAME);
}

/** A message of so many frames, all of them there at once. */
async function message(coalescing: WriteCoalescing, frames: number): Promise<void> {
  queue(coalescing, frames);
  await coalescing.ready(frames * FRAME);
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Whether it's ready after some turns of the event loop. */
async function isReady(ready: Promise<void>): Promise<boolean> {
  let is = false;
  void ready.then(() => is = true);
  for (let i = 0; i < 12; i++) await turn();
  return is;
}

const endless = () => () => {};

/** One whose messages have ten frames, and whose pause doesn't end. */
async function busy(pause: Pause = endless): Promise<WriteCoalescing> {
  const coalescing = new WriteCoalescing(pause);
  for (let i = 0; i < 20; i++) await message(coalescing, 10);
  return coalescing;
}

Deno.test("a message goes when it has most of the frames that are usual", async () => {
  const coalescing = await busy();
  queue(coalescing, 5);
  const ready = coalescing.ready(5 * FRAME);
  assert.equal(await isReady(ready), false);
  queue(coalescing, 2);
  assert.equal(await isReady(ready), false);
  queue(coalescing, 1);
  assert.equal(await isReady(ready), true);
});

Deno.test("frames that don't come are waited for until the pause is over, and soon not any more", async () => {
  const over: (() => void)[] = [];
  const coalescing = await busy((end) => {
    over.push(end);
    return () => {};
  });
  for (let i = 0; i < 20; i++) {
    queue(coalescing, 1);
    const ready = coalescing.ready(FRAME);
    if (await isReady(ready)) continue;
    over.at(-1)?.();
    assert.equal(await isReady(ready), true);
  }
  assert(over.length >= 1 && over.length <= 8, `${over.length} messages waited`);
});

Deno.test("where a message has a frame or two, nothing waits", async () => {
  const coalescing = new WriteCoalescing(endless);
  for (let i = 0; i < 20; i++) {
    queue(coalescing, 1 + i % 2);
    assert.equal(await isReady(coalescing.ready(FRAME)), true);
  }
});

Deno.test("many bytes don't wait, whether they come with the first frame, later, or were left of what was queued before", async () => {
  const coalescing = await busy();
  coalescing.other(40_000);
  assert.equal(await isReady(coalescing.ready(40_000)), true);
  for (let i = 0; i < 20; i++) await message(coalescing, 10);
  queue(coalescing, 1);
  const ready = coalescing.ready(FRAME);
  assert.equal(await isReady(ready), false);
  coalescing.other(40_000);
  assert.equal(await isReady(ready), true);
  for (let i = 0; i < 20; i++) await message(coalescing, 10);
  assert.equal(await isReady(coalescing.ready(40_000)), true);
});

Deno.test("64 frames are many enough, however many are usual", async () => {
  const coalescing = new WriteCoalescing(endless);
  for (let i = 0; i < 20; i++) await message(coalescing, 300);
  queue(coalescing, 63);
  const ready = coalescing.ready(63 * FRAME);
  assert.equal(await isReady(ready), false);
  queue(coalescing, 1);
  assert.equal(await isReady(ready), true);
});
