import assert from "node:assert/strict";
import { threadOf } from "../../threads/testing/worker_thread.ts";
import { AcceptedRanges } from "../accepted_ranges.ts";
import { ClusterRegistry } from "./registry.ts";

const unasked = () => assert.fail("no cluster is connected here");

Deno.test("a capture that can't be ended keeps neither the proxy nor the data workers", async () => {
  const stateFolder = await Deno.makeTempDir();
  const done: string[] = [];
  let workers = 0;
  const registry = new ClusterRegistry(
    {
      stateFolder,
      installer: {
        status: unasked,
        install: unasked,
        ready: unasked,
        uninstall: unasked,
        manifests: unasked,
      },
      startWorker() {
        workers++;
        const thread = threadOf(new MessageChannel());
        const terminate = thread.terminate.bind(thread);
        thread.terminate = () => {
          done.push("worker");
          terminate();
        };
        return thread;
      },
      log() {},
      helperSocket: `${stateFolder}/none`,
      ended() {},
    },
    { custom: () => [], allowed: () => [] },
    await AcceptedRanges.open(stateFolder),
  );
  Object.defineProperty(registry.laptop, "hostCapture", { value: {} });
  Object.assign(registry.laptop, {
    endCapture: () => Promise.reject(new Error("no descriptor is left")),
    endProxy: () => Promise.resolve(done.push("proxy")),
  });
  await assert.rejects(registry[Symbol.asyncDispose](), /no descriptor is left/);
  assert.ok(workers > 0);
  assert.deepEqual(done, ["proxy", ...Array.from({ length: workers }, () => "worker")]);
  await Deno.remove(stateFolder, { recursive: true });
});
