import assert from "node:assert/strict";
import { FakeClock } from "../async/testing/fake_clock.ts";
import type { ConnectionEnds } from "../ffi/proc/socket_program.ts";
import { addressOf } from "../net/address.ts";
import { ProgramWatch, type WatchedFlow } from "./program_watch.ts";

const PROGRAM = { pid: 4312, name: "node" };

function watching() {
  const open = new Set<WatchedFlow>();
  const searches: number[] = [];
  const clock = new FakeClock();
  const find = {
    findAll(sockets: readonly ConnectionEnds[]) {
      searches.push(sockets.length);
      return Promise.resolve(sockets.map(() => PROGRAM));
    },
  };
  const watch = new ProgramWatch(open, find, clock);
  return {
    searches,
    clock,
    begin(): WatchedFlow {
      const end = { address: addressOf(new Uint8Array(16)), port: 1 };
      const flow: WatchedFlow = { socket: { local: end, remote: end }, program: undefined, looks: 0 };
      open.add(flow);
      watch.begin();
      return flow;
    },
    end(flow: WatchedFlow) {
      open.delete(flow);
      if (open.size === 0) watch.end();
    },
  };
}

Deno.test("a flow that stays open for a second has its program by then, and is searched once", async () => {
  const { begin, clock, searches } = watching();
  const flow = begin();
  await clock.advance(400);
  const later = begin();
  await clock.advance(600);
  assert.deepEqual([flow.program, later.program], [PROGRAM, PROGRAM]);
  await clock.advance(60_000);
  assert.deepEqual(searches, [2]);
  assert.equal(clock.pending, 0);
});

Deno.test("a flow that ends within half a second is never searched", async () => {
  const { begin, end, clock, searches } = watching();
  for (let i = 0; i < 20; i++) {
    const flow = begin();
    await clock.advance(490);
    end(flow);
  }
  assert.deepEqual([searches, clock.pending], [[], 0]);
});

Deno.test("many flows that open together are searched by hundreds", async () => {
  const { begin, clock, searches } = watching();
  const flows = Array.from({ length: 250 }, begin);
  await clock.advance(2_000);
  assert.deepEqual(searches, [100, 100, 50]);
  assert.ok(flows.every(({ program }) => program === PROGRAM));
});
