import assert from "node:assert/strict";
import fc from "fast-check";
import { ConnectionWindow, StreamWindow } from "./flow_control.ts";
import { DEFAULT_WINDOW } from "../frames/frame.ts";

Deno.test("a stream's window: the peer never has more on the way or unread than its size, and is never left waiting", () => {
  const step = fc.record({
    send: fc.nat(300_000),
    take: fc.nat(300_000),
    grow: fc.option(fc.nat(2_000_000)),
    shrink: fc.option(fc.nat(2_000_000)),
  });
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.array(step), (size, steps) => {
    const window = new StreamWindow(size);
    // The peer's count, and what lies unread here.
    let admitted = size;
    let unread = 0;
    // Bytes that may come though the window is smaller by now.
    let excess = 0;
    for (const { send, take, grow, shrink } of steps) {
      const sent = Math.min(send, admitted);
      admitted -= sent;
      unread += sent;
      assert.equal(window.receive(sent), true);
      if (grow !== null) {
        const growth = Math.max(0, grow - window.size);
        admitted += window.grow(grow);
        excess = Math.max(0, excess - growth);
      }
      if (shrink !== null) {
        excess += Math.max(0, window.size - shrink);
        window.shrink(shrink);
      }
      const taken = Math.min(take, unread);
      unread -= taken;
      admitted += window.take(taken);
      excess = Math.max(0, excess - taken);
      assert.ok(admitted + unread <= window.size + excess, `${admitted} + ${unread} of ${window.size}`);
      // Once all is read, most of the window is open.
      if (unread === 0) assert.ok(admitted >= window.size * 3 / 4 - 1, `${admitted} of ${window.size}`);
    }
    assert.equal(window.receive(admitted + 1), false);
  }));
});

Deno.test("the connection's window: what is buffered and what may come are never more than the cap", () => {
  const step = fc.record({ send: fc.nat(400_000), release: fc.nat(400_000) });
  const sizes = fc.record({
    target: fc.integer({ min: 70_000, max: 500_000 }),
    cap: fc.integer({ min: 70_000, max: 900_000 }),
  });
  fc.assert(fc.property(sizes, fc.array(step), ({ target, cap }, steps) => {
    const window = new ConnectionWindow(DEFAULT_WINDOW, target, cap);
    let admitted = DEFAULT_WINDOW + window.credit();
    for (const { send, release } of steps) {
      const sent = Math.min(send, admitted);
      admitted -= sent;
      assert.equal(window.receive(sent), true);
      window.release(Math.min(release, window.buffered));
      admitted += window.credit();
      assert.ok(admitted + window.buffered <= cap, `${admitted} + ${window.buffered} of ${cap}`);
      // Readers that keep up, whatever lies unread elsewhere, find room as long as the cap has some.
      if (cap - window.buffered >= 70_000) assert.ok(admitted > 0, `${window.buffered} of ${cap} buffered`);
      if (admitted === 0) assert.equal(window.held, true);
    }
  }));
});

Deno.test("while all connections together buffer too much, those that hold much wait, and those that hold little don't", () => {
  const shared = { buffered: 0, most: 10_000_000 };
  const window = () => new ConnectionWindow(DEFAULT_WINDOW, 8_000_000, 16_000_000, shared);
  const [full, other, idle] = [window(), window(), window()];
  for (const each of [full, other]) {
    each.credit();
    assert.ok(each.receive(7_000_000));
  }
  assert.equal(shared.buffered, 14_000_000);
  assert.equal(full.credit(), 0);
  assert.ok(full.held || full.allowed < full.buffered);
  assert.ok(idle.credit() > 0);
  other.end();
  assert.equal(shared.buffered, 7_000_000);
  assert.ok(full.credit() > 0);
  full.release(7_000_000);
  other.release(7_000_000);
  assert.equal(shared.buffered, 0);
});
