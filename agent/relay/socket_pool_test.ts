import assert from "node:assert/strict";
import { SocketPool } from "./socket_pool.ts";

function makeSocketPool(waitMs = 1000) {
  const requested: number[] = [];
  const closed: number[] = [];
  const pool = new SocketPool({
    request: (n) => void requested.push(n),
    close: (fd) => void closed.push(fd),
    waitMs,
  });
  return { pool, requested, closed };
}
const fds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

Deno.test("dials that wait get their sockets in order", async () => {
  const { pool, requested } = makeSocketPool();
  using _ = pool;
  const taken = [pool.take("a"), pool.take("a")];
  assert.deepEqual(requested, [32]);
  pool.add(fds(100, 32));
  assert.deepEqual(await Promise.all(taken), [100, 101]);
});

Deno.test("more are requested before the last is taken, and no more than needed", async () => {
  const { pool, requested } = makeSocketPool();
  using _ = pool;
  const first = pool.take("a");
  pool.add(fds(100, 32));
  await first;
  for (let i = 0; i < 23; i++) await pool.take("a");
  assert.deepEqual(requested, [32]);
  await pool.take("a");
  assert.deepEqual(requested, [32, 32]);
});

Deno.test("a thousand dials at once are all served", async () => {
  const { pool, requested } = makeSocketPool();
  using _ = pool;
  const taken = fds(0, 1000).map(() => pool.take("a"));
  let next = 0;
  for (let i = 0; i < requested.length; i++) {
    pool.add(fds(next, requested[i] ?? 0)), next += requested[i] ?? 0;
  }
  assert.equal(new Set(await Promise.all(taken)).size, 1000);
});

Deno.test("a caller whose dial waits behind a flood of another's is served in its turn", async () => {
  const { pool } = makeSocketPool();
  using _ = pool;
  const flood = fds(0, 1000).map(() => pool.take("flooding"));
  const modest = [pool.take("modest"), pool.take("modest")];
  pool.add([100, 101, 102, 103]);
  assert.deepEqual(await Promise.all([flood[0], modest[0], flood[1], modest[1]]), [100, 101, 102, 103]);
  const refused = Promise.allSettled(fds(0, 4000).map(() => pool.take("flooding")));
  const late = pool.take("late");
  pool.add([200, 201]);
  assert.equal(await late, 201, "it found a place to wait in");
  pool[Symbol.dispose]();
  const reasons = (await refused).flatMap((one) => one.status === "rejected" ? [String(one.reason)] : []);
  assert.ok(reasons.some((reason) => /dials to the pod wait already/.test(reason)));
  await Promise.allSettled(flood);
});

Deno.test("a dial that gets no socket in time fails, and the next asks again", async () => {
  const { pool, requested } = makeSocketPool(10);
  using _ = pool;
  await assert.rejects(pool.take("a"), /no socket .* in 10 ms/);
  assert.equal(pool.starved, true);
  await assert.rejects(pool.take("a"));
  assert.deepEqual(requested, [32, 32]);
  pool.add([]); // a message whose sockets didn't come
  assert.equal(pool.starved, true);
  pool.add([100]);
  assert.equal(pool.starved, false);
});

Deno.test("once the pod is released every socket is closed, late ones too", async () => {
  const { pool, closed } = makeSocketPool();
  const first = pool.take("a");
  pool.add(fds(100, 3));
  await first;
  const { pool: other } = makeSocketPool();
  const waits = assert.rejects(other.take("a"), /the pod was released/);
  other[Symbol.dispose]();
  await waits;
  pool[Symbol.dispose]();
  pool.add([200]);
  assert.deepEqual(closed, [101, 102, 200]);
  await assert.rejects(pool.take("a"), /the pod was released/);
});
