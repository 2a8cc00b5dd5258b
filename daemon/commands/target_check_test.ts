import assert from "node:assert/strict";
import { FakeApi } from "../testing/cluster.ts";
import { fakeDaemon } from "../testing/daemon.ts";
import { recorder } from "../testing/daemon.ts";
import { describe } from "../control_error.ts";
import { checkTarget } from "./target_check.ts";

const echo = { namespace: "default", service: "echo" };

/** A cluster with the Service echo and its pod, and the Service empty without one. */
function cluster(): FakeApi {
  const api = new FakeApi();
  api.service("echo", { clusterIP: "10.96.0.7", selector: { app: "echo" }, ports: [{ port: 80 }] });
  api.pod("echo-1", { labels: { app: "echo" }, ip: "10.244.0.5" });
  api.service("empty", { clusterIP: "10.96.0.8", selector: { app: "empty" }, ports: [{ port: 80 }] });
  return api;
}

/** The code, message and hint that work fails with. */
async function failureOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined, (error: unknown) => error);
  const { code, message, hint } = describe(error);
  return `${code}: ${message}; ${hint}`;
}

Deno.test("a Service that is there and has pods can be intercepted", async () => {
  await using at = cluster();
  await checkTarget(at.api, echo);
  await checkTarget(at.api, { ...echo, port: "80" });
});

Deno.test("a Service that isn't there, or is elsewhere, is told before anything is installed", async () => {
  await using at = cluster();
  assert.match(
    await failureOf(checkTarget(at.api, { ...echo, service: "nosuch" })),
    /^not-found: there is no Service nosuch in the namespace default/,
  );
  assert.match(
    await failureOf(checkTarget(at.api, { ...echo, namespace: "shop" })),
    /; there is one in default: echo\.default$/,
  );
});

Deno.test("a Service without pods is told so, with what to type", async () => {
  await using at = cluster();
  assert.match(
    await failureOf(checkTarget(at.api, { ...echo, service: "empty" })),
    /^not-found: empty\.default has no pods that could be intercepted; start one first: kubectl -n default scale/,
  );
});

Deno.test("ports that were given the other way round are put right in the hint", async () => {
  await using at = cluster();
  assert.equal(
    await failureOf(checkTarget(at.api, { ...echo, port: "9002", localPort: 80 })),
    "not-found: echo.default has no port 9002; LOCAL comes first: pmz intercept echo.default 9002:80",
  );
  assert.match(
    await failureOf(checkTarget(at.api, { ...echo, port: "9002", localPort: 81 })),
    /; it has 80$/,
  );
});

Deno.test("what may not be listed is not judged", async () => {
  await using at = cluster();
  at.refuse = (request) =>
    request.includes("/pods") || request.includes("/services")
      ? Response.json({ kind: "Status", reason: "Forbidden", code: 403 }, { status: 403 })
      : undefined;
  await checkTarget(at.api, { ...echo, service: "nosuch" });
});

Deno.test("a plan for a Service without pods fails, connected or not", async () => {
  await using at = await fakeDaemon();
  at.cluster.service("empty", { clusterIP: "10.96.0.8", selector: { app: "empty" }, ports: [{ port: 80 }] });
  const { kubeconfig = "" } = at.up;
  const plan = () =>
    at.daemon.plan({ kubeconfig, mode: "intercept", service: "empty", namespace: "default" });
  assert.match(await failureOf(plan()), /^not-found: empty\.default has no pods/);
  await at.daemon.up(at.up, recorder(), new AbortController().signal);
  assert.match(await failureOf(plan()), /^not-found: empty\.default has no pods/);
});
