import assert from "node:assert/strict";
import { describeActions, reviewAccess } from "./access_review.ts";
import { Api } from "./api.ts";
import { fakeServer, json } from "../testing/api_server.ts";

Deno.test("each action is asked about, and the verdicts come in their order", async () => {
  let atOnce = 0, most = 0;
  await using server = fakeServer(async (request) => {
    most = Math.max(most, ++atOnce);
    const { kind, spec } = await request.json();
    assert.equal(kind, "SelfSubjectAccessReview");
    const { verb, group, name } = spec.resourceAttributes;
    await new Promise((resolve) => setTimeout(resolve, Number(name) % 3));
    atOnce--;
    return json(201, {
      metadata: {},
      status: { allowed: Number(name) % 2 === 0, reason: `${verb} in "${group}"` },
    });
  });
  using api = new Api(server.source);
  const actions = Array.from(
    { length: 20 },
    (_, index) => ({ verb: "get", resource: "pods", name: `${index}`, group: index ? "g" : "" }),
  );
  const verdicts = await reviewAccess(api, actions);
  assert.deepEqual(verdicts.map(({ allowed }) => allowed), actions.map((_, index) => index % 2 === 0));
  assert.deepEqual(verdicts.map(({ attributes }) => attributes), actions);
  assert.deepEqual([verdicts[0]?.reason, verdicts[1]?.reason], ['get in ""', 'get in "g"']);
  assert(most <= 8, `${most} at once`);
});

Deno.test("an answer without a verdict is a no", async () => {
  await using server = fakeServer(() => json(201, { metadata: {} }));
  using api = new Api(server.source);
  assert.deepEqual(
    (await reviewAccess(api, [{ verb: "get", resource: "pods" }])).map(({ allowed }) => allowed),
    [false],
  );
});

Deno.test("actions are described in RBAC's terms", () => {
  const forward = { verb: "create", resource: "pods", subresource: "portforward", namespace: "pmz" };
  assert.equal(describeActions([forward]), "create pods/portforward in namespace pmz");
  assert.equal(
    describeActions([{ verb: "list", resource: "things", group: "pmz.dev", name: "x" }]),
    'list things.pmz.dev "x"',
  );
});

Deno.test("verbs of one kind stand together, and kinds with the same verbs in the same namespace", () => {
  const actions = ["list", "watch"].flatMap((verb) => [
    { verb, resource: "pods", namespace: "shop" },
    { verb, resource: "services", namespace: "shop" },
    { verb, resource: "pods", namespace: "pmz" },
  ]);
  assert.equal(
    describeActions([...actions, { verb: "get", resource: "services", namespace: "pmz" }]),
    "list, watch pods, services in namespace shop; nor list, watch pods in namespace pmz; " +
      "nor get services in namespace pmz",
  );
});
