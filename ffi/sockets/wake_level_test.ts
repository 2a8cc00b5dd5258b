import assert from "node:assert/strict";
import { wakeLevelOf } from "./wake_level.ts";

async function pair() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  return { near, far: await listener.accept() };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("a read that waits is woken when so many bytes are there, or when the level is lowered to what is", async () => {
  const { near, far } = await pair();
  using _near = near, _far = far;
  const wakeAt = wakeLevelOf(near);
  assert(wakeAt);
  wakeAt(10_000);
  const into = new Uint8Array(20_000);
  let done = false;
  let reading = near.read(into).finally(() => done = true);
  await far.write(new Uint8Array(6_000));
  await pause(50);
  assert.equal(done, false, "woken by less");
  await far.write(new Uint8Array(4_000));
  assert.equal(await reading, 10_000);

  done = false;
  reading = near.read(into).finally(() => done = true);
  await far.write(new Uint8Array(5));
  await pause(50);
  assert.equal(done, false, "woken by less");
  wakeAt(1);
  assert.equal(await reading, 5);
});

Deno.test("an end is told whatever the level", async () => {
  const { near, far } = await pair();
  using _near = near;
  wakeLevelOf(near)?.(10_000);
  const reading = near.read(new Uint8Array(10));
  far.close();
  assert.equal(await reading, null);
});

Deno.test("of a connection that is closed there's no level to set", async () => {
  const { near, far } = await pair();
  const { localAddr, remoteAddr } = near;
  near.close();
  far.close();
  assert.equal(wakeLevelOf({ localAddr, remoteAddr }), undefined);
});
