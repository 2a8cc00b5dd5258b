import assert from "node:assert/strict";
import type { AgentComponent } from "../wire/installer.ts";
import { rights } from "./rights.ts";
import { fakeCluster, type FakeClusterOptions } from "./testing/cluster.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";

async function check(options: FakeClusterOptions, agents: readonly AgentComponent[] = []) {
  await using cluster = fakeCluster(options);
  return await findingsOf(rights, {
    cluster: () => Promise.resolve(cluster.open),
    agents: () => Promise.resolve(agents),
  });
}

/** All but what one of these matches. */
const allBut = (...denied: readonly RegExp[]): FakeClusterOptions => ({
  user: "jo@example.org",
  allows: (action) => !denied.some((one) => one.test(action)),
});

Deno.test("an administrator may do all that pmz does", async () => {
  assertSound(await check({}));
});

Deno.test("Services that may not be listed at all are a failure, with the line for an administrator", async () => {
  assertFinding(
    await check(allBut(/^(list|watch) services/)),
    "failed",
    /You may not list, watch services in namespace shop\./,
    /kubectl create clusterrolebinding pmz-use-jo-example-org --user=jo@example\.org --clusterrole=pmz-use$/,
  );
});

Deno.test("rights in one namespace are enough, and what that leaves out is said", async () => {
  const findings = await check(allBut(/^(list|watch) (services|endpointslices|pods)$/));
  assert.equal(findings.length, 1);
  assertFinding(findings, "warning", /list services, endpointslices, pods in namespace shop only/);
});

Deno.test("pods and EndpointSlices that may not be listed are a warning", async () => {
  const findings = await check(allBut(/^(list|watch) (pods|endpointslices)( in shop)?$/));
  assertFinding(findings, "warning", /pods in namespace shop\. Without it, pod addresses/);
  assertFinding(findings, "warning", /endpointslices.*not refused at once/);
});

Deno.test("a gateway that may not be forwarded to is a failure", async () => {
  assertFinding(
    await check(allBut(/pods\/portforward in pmz$/)),
    "failed",
    /You may not get pods\/portforward in namespace pmz\. .*gateway/,
    /kubectl -n pmz create rolebinding pmz-use-jo-example-org --user=jo@example\.org --role=pmz-use$/,
  );
});

Deno.test("from 1.35 on a port-forward needs create as well", async () => {
  const without = allBut(/^create pods\/portforward in pmz$/);
  assertSound(await check(without));
  assertFinding(await check({ ...without, version: "v1.35.0" }), "failed", /create pods\/portforward/);
});

Deno.test("without rights to intercept there is a warning that names them", async () => {
  assertFinding(
    await check(allBut(/^create intercept/)),
    "warning",
    /create interceptsessions\.pmz\.dev, interceptrules\.pmz\.dev in namespace shop.*`pmz intercept`/,
    /kubectl -n shop create rolebinding pmz-intercept-jo-example-org .*--clusterrole=pmz-intercept$/,
  );
  assertFinding(
    await check(allBut(/in pmz-node$/)),
    "warning",
    /namespace pmz-node/,
    /--role=pmz-intercept$/,
  );
});

Deno.test("a name that a shell would take apart is quoted", async () => {
  const findings = await check({ ...allBut(/portforward in pmz$/), user: "Jo O'Hara; rm" });
  assertFinding(findings, "failed", /portforward/, /pmz-use-jo-o-hara-rm --user='Jo O'\\''Hara; rm'/);
});

Deno.test("where the cluster doesn't say who asks, the kubeconfig's name of the user is taken", async () => {
  const { allows } = allBut(/portforward in pmz$/);
  assertFinding(await check({ ...(allows && { allows }) }), "failed", /portforward/, /--user=jo /);
});

Deno.test("before the agent is installed, the remedy installs it first: it brings the namespace and the role", async () => {
  const without = allBut(/in pmz(-node)?$/, /^create intercept/);
  const absent = await check(without, [
    { component: "gateway", state: "absent" },
    { component: "node", state: "absent" },
  ]);
  assertFinding(absent, "failed", /gateway/, /: pmz agent deploy && kubectl -n pmz create rolebinding/);
  assertFinding(absent, "warning", /namespace pmz-node/, /: pmz agent deploy && kubectl -n pmz-node create/);
  assertFinding(absent, "warning", /namespace shop/, /: pmz agent deploy && kubectl -n shop create/);
  const unknown = await check(without, [{ component: "gateway", state: "unknown" }]);
  assertFinding(
    unknown,
    "failed",
    /gateway/,
    /pmz agent deploy comes first.*: kubectl -n pmz .*--role=pmz-use$/,
  );
});

Deno.test("rights to intercept that are missing alone are no failure", async () => {
  const findings = await check(allBut(/intercept/, /in pmz-node$/));
  assert.deepEqual([...new Set(findings.map(({ level }) => level))], ["warning"]);
});

Deno.test("a namespace that is not there is said, where the user may know", async () => {
  assertFinding(await check({ namespace: 404 }), "warning", /shop is not in this cluster/, /get namespaces/);
  assertSound(await check({ namespace: 403 }));
});
