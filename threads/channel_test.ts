import assert from "node:assert/strict";
import { Channel, RemoteError } from "./channel.ts";

type Here = { double(n: number): number };
type There = {
  add(of: { a: number; b: number }): number;
  later(ms: number): Promise<number>;
  fail(message: string): never;
  strange(argument: null): unknown;
};

/** Both ends of a channel in this thread. */
function ends() {
  const { port1, port2 } = new MessageChannel();
  const here = new Channel<Here, There>(port1, { double: (n) => 2 * n });
  const there = new Channel<There, Here>(port2, {
    add: ({ a, b }) => a + b,
    later: (ms) => new Promise((resolve) => setTimeout(() => resolve(ms), ms)),
    fail(message) {
      throw new RangeError(message);
    },
    strange: () => () => {},
  });
  return {
    here,
    there,
    [Symbol.dispose]() {
      port1.close();
      port2.close();
    },
  };
}

Deno.test("both ends of a channel answer the other's calls", async () => {
  using of = ends();
  assert.equal(await of.here.call("add", { a: 1, b: 2 }), 3);
  assert.equal(await of.there.call("double", 21), 42);
});

Deno.test("answers find their call, in whatever order they come", async () => {
  using of = ends();
  const order: number[] = [];
  const calls = [30, 1, 15].map((ms) => of.here.call("later", ms).then((n) => order.push(n)));
  await Promise.all(calls);
  assert.deepEqual(order, [1, 15, 30]);
});

Deno.test("what the other side throws arrives with its name and message", async () => {
  using of = ends();
  await assert.rejects(
    of.here.call("fail", "too long"),
    (error) => error instanceof RemoteError && error.kind === "RangeError" && error.message === "too long",
  );
});

Deno.test("a result that can't be passed on fails its call, and no other", async () => {
  using of = ends();
  await assert.rejects(of.here.call("strange", null), RemoteError);
  assert.equal(await of.here.call("add", { a: 1, b: 1 }), 2);
});

Deno.test("a call that the other side doesn't know fails", async () => {
  using of = ends();
  const unknown = of.here as unknown as Channel<Here, Record<string, (argument: null) => unknown>>;
  await assert.rejects(unknown.call("nothing", null), /no such call/);
});

Deno.test("closing fails the calls that wait and those to come", async () => {
  using of = ends();
  const reason = new Error("the worker failed");
  const waiting = of.here.call("later", 1);
  of.here.close(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(of.here.call("add", { a: 1, b: 2 }), reason);
  await new Promise((resolve) => setTimeout(resolve, 10)); // the late answer finds no waiting call
});
