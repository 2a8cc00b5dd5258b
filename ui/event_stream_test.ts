import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { EventStreams } from "./event_stream.ts";
import type { LiveEvent } from "./live.ts";

/** Events without end that counts how many were taken, and says when it ended. */
function endless() {
  const state = { taken: 0, ended: Promise.withResolvers<void>() };
  async function* events(signal: AbortSignal): AsyncGenerator<LiveEvent> {
    try {
      while (!signal.aborted) {
        await Promise.resolve();
        state.taken++;
        yield { name: "status", data: String(state.taken) };
      }
    } finally {
      state.ended.resolve();
    }
  }
  return { state, events };
}

function reader({ body }: Response) {
  const read = body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(read);
  return read;
}

async function rest(read: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = "";
  for (let piece = await read.read(); !piece.done; piece = await read.read()) text += piece.value;
  return text;
}

Deno.test("events come as the standard has them, no faster than they are read", async () => {
  const { state, events } = endless();
  const read = reader(new EventStreams().add(events));
  assert.equal((await read.read()).value, "event: status\ndata: 1\n\n");
  for (let turn = 0; turn < 100; turn++) await setImmediate();
  assert.ok(state.taken < 8, String(state.taken));
  await read.cancel();
  await state.ended.promise;
});

Deno.test("of more than four tabs the oldest pauses", async () => {
  const streams = new EventStreams();
  const sources = Array.from({ length: 5 }, endless);
  const reads = sources.map(({ events }) => reader(streams.add(events)));
  const [first, ...others] = reads;
  assert.ok(first);
  assert.match(await rest(first), /event: end\ndata: \{"kind":"replaced"\}\n\n$/);
  for (const other of others) {
    assert.equal((await other.read()).done, false);
    await other.cancel();
  }
});

Deno.test("a tab that was closed makes room", async () => {
  const streams = new EventStreams();
  for (let count = 0; count < 20; count++) await reader(streams.add(endless().events)).cancel();
  const kept = Array.from({ length: 4 }, () => reader(streams.add(endless().events)));
  for (const one of kept) {
    assert.equal((await one.read()).done, false);
    await one.cancel();
  }
});

Deno.test("at the end each tab is told why", async () => {
  const streams = new EventStreams();
  const reads = [reader(streams.add(endless().events)), reader(streams.add(endless().events))];
  streams.close({ kind: "down" });
  for (const read of reads) assert.match(await rest(read), /event: end\ndata: \{"kind":"down"\}\n\n$/);
});
