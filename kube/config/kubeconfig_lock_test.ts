import assert from "node:assert/strict";
import { folder } from "../testing/kubeconfig.ts";
import { lockKubeconfig } from "./kubeconfig_lock.ts";

Deno.test("one holds the lock at a time, as a file that kubectl knows, and the next gets it afterwards", async () => {
  using home = folder();
  const file = `${home.path}/config`;
  const order: string[] = [];
  const first = await lockKubeconfig(file);
  assert.ok(Deno.statSync(`${file}.lock`).isFile);
  const second = lockKubeconfig(file).then((lock) => {
    order.push("second");
    return lock;
  });
  order.push("first");
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  assert.deepEqual(order, ["first", "second"]);
  assert.throws(() => Deno.statSync(`${file}.lock`), Deno.errors.NotFound);
});

Deno.test("a lock that was left behind is named, with what removes it", async () => {
  using home = folder();
  home.write("config.lock", "");
  await assert.rejects(lockKubeconfig(`${home.path}/config`, 60), {
    name: "KubeconfigError",
    hint: `if none does, remove it: rm ${home.path}/config.lock`,
  });
});
