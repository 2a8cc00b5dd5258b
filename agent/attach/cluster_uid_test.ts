import assert from "node:assert/strict";
import { clusterUid } from "./cluster_uid.ts";

const { signal } = new AbortController();

Deno.test("the cluster's UID is read as soon as the API server answers", async () => {
  const logged: string[] = [];
  let asked = 0;
  const get = () =>
    asked++ === 0 ? Promise.reject(new Error("refused")) : Promise.resolve({ metadata: { uid: "u" } });
  assert.equal(await clusterUid({ get }, (_, message) => void logged.push(message), signal), "u");
  assert.deepEqual(logged, ["can't read which cluster this is"]);
});

Deno.test("an agent that is stopped before the API server answers ends", async () => {
  const stop = new AbortController();
  const get = () => {
    stop.abort();
    return Promise.reject(new Error("refused"));
  };
  assert.equal(await clusterUid({ get }, () => {}, stop.signal), undefined);
});
