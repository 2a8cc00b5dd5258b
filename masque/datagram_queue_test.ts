import assert from "node:assert/strict";
import fc from "fast-check";
import { DatagramQueue, QUEUE_BYTES } from "./datagram_queue.ts";
import { joined } from "./testing/capsules.ts";

const HEAD = Uint8Array.of(1, 2, 3, 4, 5, 6);

Deno.test("what was added comes out in order and whole, in whatever pieces it is taken", () => {
  const step = fc.record({
    payload: fc.uint8Array({ maxLength: 9000 }),
    head: fc.integer({ min: 3, max: 6 }),
    taken: fc.nat(20_000),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const backlog = { bytes: 0 };
    const queue = new DatagramQueue(backlog);
    const added: Uint8Array[] = [];
    const out: Uint8Array[] = [];
    const drain = (most: number) =>
      queue.drainTo({
        take(bytes, start, end) {
          const length = Math.min(most, end - start);
          most -= length;
          out.push(bytes.slice(start, start + length));
          return length;
        },
      });
    for (const { payload, head, taken } of steps) {
      if (queue.add(HEAD, head, payload)) added.push(HEAD.subarray(0, head), payload);
      drain(taken);
    }
    assert.equal(queue.isEmpty, backlog.bytes === 0);
    drain(Infinity);
    assert.deepEqual(joined(out), joined(added));
    assert.ok(queue.isEmpty);
    assert.equal(backlog.bytes, 0);
  }));
});

Deno.test("a flow holds QUEUE_BYTES at most, and all flows of a connection 8 MiB", () => {
  const backlog = { bytes: 0 };
  const fill = (queue: DatagramQueue) => {
    let added = 0;
    while (queue.add(HEAD, 4, new Uint8Array(1200))) added += 1204;
    return added;
  };
  const queues = Array.from({ length: 100 }, () => new DatagramQueue(backlog));
  const filled = queues.map(fill);
  assert.equal(filled[0], QUEUE_BYTES - QUEUE_BYTES % 1204);
  assert.equal(filled.filter((bytes) => bytes === filled[0]).length, 64);
  assert.ok(backlog.bytes <= 8 * 1024 * 1024, `${backlog.bytes}`);
  for (const queue of queues) queue.clear();
  assert.equal(backlog.bytes, 0);
  assert.ok(queues[99]?.add(HEAD, 4, new Uint8Array(1200)), "there is room again");
});
