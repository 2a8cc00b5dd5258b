import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { fakeHelper } from "../testing/helper.ts";
import { ClaimedHelper } from "./helper_claim.ts";
import { HelperClient } from "./helper_client.ts";

Deno.test("a helper hears from the daemon at the first claim, and ends with the last one", async () => {
  await using helper = fakeHelper();
  let clients = 0;
  let gone = 0;
  const claimed = new ClaimedHelper(async () => {
    clients++;
    const client = await HelperClient.connect(helper.path);
    client.gone.then(() => gone++);
    return client;
  });
  const first = claimed.claim();
  const second = claimed.claim();
  await Promise.all([first.ready, second.ready]);
  assert.deepEqual([clients, claimed.isThere], [1, true]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(claimed.isThere, true);
  second[Symbol.dispose]();
  assert.equal(claimed.isThere, false);
  await until("it has been let go of", () => gone === 1);
});

Deno.test("what was taken stays when the claims end", async () => {
  await using helper = fakeHelper();
  const claimed = new ClaimedHelper(() => HelperClient.connect(helper.path));
  const claim = claimed.claim();
  await claim.ready;
  using client = claimed.take();
  claim[Symbol.dispose]();
  assert.ok(client?.facts.address);
  assert.equal(claimed.take(), undefined);
});

Deno.test("a claim that ends before the helper has answered leaves no connection, and a missing helper is said", async () => {
  await using helper = fakeHelper();
  const gone = Promise.withResolvers<void>();
  const claimed = new ClaimedHelper(async () => {
    const client = await HelperClient.connect(helper.path);
    client.gone.then(gone.resolve);
    return client;
  });
  claimed.claim()[Symbol.dispose]();
  await gone.promise;
  assert.equal(claimed.isThere, false);
  const missing = new ClaimedHelper(() => HelperClient.connect("/nowhere/helper.sock"));
  using claim = missing.claim();
  await assert.rejects(claim.ready, /the root helper isn't running/);
});
