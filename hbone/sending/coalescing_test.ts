import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { Gathering, type Pause } from "./coalescing.ts";

const FRAME = 50;

function queue(gathering: Gathering, frames: number): void {
  for (let i = 0; i < frames; i++) gathering.frame(FRAME);
}

/** A message of so many frames, all of them there at once. */
async function message(gathering: Gathering, frames: number): Promise<void> {
  queue(gathering, frames);
  await gathering.ready(frames * FRAME);
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
async function busy(pause: Pause = endless): Promise<Gathering> {
  const gathering = new Gathering(pause);
  for (let i = 0; i < 20; i++) await message(gathering, 10);
  return gathering;
}

Deno.test("a message goes when it has most of the frames that are usual", async () => {
  const gathering = await busy();
  queue(gathering, 5);
  const ready = gathering.ready(5 * FRAME);
  assert.equal(await isReady(ready), false);
  queue(gathering, 2);
  assert.equal(await isReady(ready), false);
  queue(gathering, 1);
  assert.equal(await isReady(ready), true);
});

Deno.test("frames that don't come are waited for until the pause is over, and soon not any more", async () => {
  const over: (() => void)[] = [];
  const gathering = await busy((end) => {
    over.push(end);
    return () => {};
  });
  for (let i = 0; i < 20; i++) {
    queue(gathering, 1);
    const ready = gathering.ready(FRAME);
    if (await isReady(ready)) continue;
    over.at(-1)?.();
    assert.equal(await isReady(ready), true);
  }
  assert(over.length >= 1 && over.length <= 8, `${over.length} messages waited`);
});

Deno.test("where a message has a frame or two, nothing waits", async () => {
  const gathering = new Gathering(endless);
  for (let i = 0; i < 20; i++) {
    queue(gathering, 1 + i % 2);
    assert.equal(await isReady(gathering.ready(FRAME)), true);
  }
});

Deno.test("many bytes don't wait, whether they come with the first frame, later, or were left of what was queued before", async () => {
  const gathering = await busy();
  gathering.other(40_000);
  assert.equal(await isReady(gathering.ready(40_000)), true);
  for (let i = 0; i < 20; i++) await message(gathering, 10);
  queue(gathering, 1);
  const ready = gathering.ready(FRAME);
  assert.equal(await isReady(ready), false);
  gathering.other(40_000);
  assert.equal(await isReady(ready), true);
  for (let i = 0; i < 20; i++) await message(gathering, 10);
  assert.equal(await isReady(gathering.ready(40_000)), true);
});

Deno.test("64 frames are many enough, however many are usual", async () => {
  const gathering = new Gathering(endless);
  for (let i = 0; i < 20; i++) await message(gathering, 300);
  queue(gathering, 63);
  const ready = gathering.ready(63 * FRAME);
  assert.equal(await isReady(ready), false);
  queue(gathering, 1);
  assert.equal(await isReady(ready), true);
});
