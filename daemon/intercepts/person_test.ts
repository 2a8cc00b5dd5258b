import assert from "node:assert/strict";
import { json, status } from "../../kube/testing/api_server.ts";
import { FakeApi } from "../testing/cluster.ts";
import { person } from "./person.ts";

const dev = { context: "dev", user: "kubeconfig's jo" };

Deno.test("the user is whom the cluster takes this for, the mark tells laptops of one name and contexts apart", async () => {
  await using cluster = new FakeApi();
  const jo = await person(cluster.api, dev);
  assert.deepEqual([jo.user, jo.machine], ["jo@example.com", Deno.hostname()]);
  assert.match(jo.mark, /^[0-9a-f]{10}$/);
  assert.deepEqual(await person(cluster.api, dev), jo, "the same each time");
  const { mark, ...same } = await person(cluster.api, { ...dev, context: "dev-shop" });
  assert.deepEqual(same, { user: jo.user, machine: jo.machine });
  assert.notEqual(mark, jo.mark, "two contexts of one cluster have a session each");
});

Deno.test("a cluster that doesn't say it is told the kubeconfig's name; one that can't be asked is a failure", async () => {
  await using cluster = new FakeApi();
  cluster.refuse = () => json(404, status(404, "NotFound", "no such resource"));
  assert.equal((await person(cluster.api, dev)).user, "kubeconfig's jo");
  await using gone = new FakeApi();
  await gone[Symbol.asyncDispose]();
  await assert.rejects(person(gone.api, dev), { name: "ApiError", status: 0 });
});
