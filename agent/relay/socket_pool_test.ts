import assert from "node:assert/strict";
import { Stock } from "./socket_pool.ts";

function makeStock(waitMs = 1000) {
  const asked: number[] = [];
  const closed: number[] = [];
  const stock = new Stock({ ask: (n) => void asked.push(n), close: (fd) => void closed.push(fd), waitMs });
  return { stock, asked, closed };
}
const fds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

Deno.test("dials that wait get their sockets in order", async () => {
  const { stock, asked } = makeStock();
  using _ = stock;
  const taken = [stock.take(), stock.take()];
  assert.deepEqual(asked, [32]);
  stock.add(fds(100, 32));
  assert.deepEqual(await Promise.all(taken), [100, 101]);
});

Deno.test("more are asked for before the last is taken, and no more than needed", async () => {
  const { stock, asked } = makeStock();
  using _ = stock;
  const first = stock.take();
  stock.add(fds(100, 32));
  await first;
  for (let i = 0; i < 23; i++) await stock.take();
  assert.deepEqual(asked, [32]);
  await stock.take();
  assert.deepEqual(asked, [32, 32]);
});

Deno.test("a thousand dials at once are all served", async () => {
  const { stock, asked } = makeStock();
  using _ = stock;
  const taken = fds(0, 1000).map(() => stock.take());
  let next = 0;
  for (let i = 0; i < asked.length; i++) stock.add(fds(next, asked[i] ?? 0)), next += asked[i] ?? 0;
  assert.equal(new Set(await Promise.all(taken)).size, 1000);
});

Deno.test("a dial that gets no socket in time fails, and the next asks again", async () => {
  const { stock, asked } = makeStock(10);
  using _ = stock;
  await assert.rejects(stock.take(), /no socket .* in 10 ms/);
  assert.equal(stock.starved, true);
  await assert.rejects(stock.take());
  assert.deepEqual(asked, [32, 32]);
  stock.add([]); // a message whose sockets didn't come
  assert.equal(stock.starved, true);
  stock.add([100]);
  assert.equal(stock.starved, false);
});

Deno.test("with the pod gone every socket is closed, those that come late too", async () => {
  const { stock, closed } = makeStock();
  const first = stock.take();
  stock.add(fds(100, 3));
  await first;
  const { stock: other } = makeStock();
  const waits = assert.rejects(other.take(), /the pod is gone/);
  other[Symbol.dispose]();
  await waits;
  stock[Symbol.dispose]();
  stock.add([200]);
  assert.deepEqual(closed, [101, 102, 200]);
  await assert.rejects(stock.take(), /the pod is gone/);
});
