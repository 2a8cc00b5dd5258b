import assert from "node:assert/strict";
import { parseService } from "../../kube/objects/objects.ts";
import { until } from "../../async/testing/until.ts";
import { json, status } from "../../kube/testing/api_server.ts";
import { FakeApi, uid } from "../testing/cluster.ts";
import { NamespaceIntercepts } from "./namespace_intercepts.ts";
import { createRule } from "./rules.ts";
import { Session } from "./session.ts";
import type { InterceptTarget } from "./target.ts";

const jo = { user: "jo", machine: "laptop", mark: "0123456789" };
const ann = { user: "ann", machine: "desk", mark: "9876543210" };
const local = { host: "127.0.0.1", port: 8081 };
const times = { renewEveryMs: 2, renewTimeoutMs: 50, endTimeoutMs: 50, retry: { firstMs: 5, maxMs: 10 } };
const PREFIX = "/apis/pmz.dev/v1alpha1";
const SESSION = "jo-0123456789";

function target(name: string): InterceptTarget {
  const service = parseService({
    metadata: { namespace: "default", name, uid: uid(name) },
    spec: { selector: { app: name }, ports: [{ port: 80 }] },
  });
  const [port] = service.ports;
  assert.ok(port);
  return { service, port };
}

/** What this laptop intercepts in a namespace of a fake cluster. */
async function intercepting() {
  const cluster = new FakeApi();
  const log: string[] = [];
  let changes = 0;
  const namespace = await NamespaceIntercepts.open({
    api: cluster.api,
    namespace: "default",
    person: jo,
    log: (text) => void log.push(text),
    changed: () => void changes++,
    times,
  });
  return {
    cluster,
    namespace,
    log,
    get changes() {
      return changes;
    },
    rules: () => cluster.all("interceptrules").map(([name]) => name.replace("default/", "")).toSorted(),
    async [Symbol.asyncDispose]() {
      await namespace[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

Deno.test("what the node agents say of a rule is seen", async () => {
  await using to = await intercepting();
  const wanted = await to.namespace.add(target("echo"), local);
  assert.deepEqual(to.namespace.seen(wanted).status.pods, []);
  to.cluster.ruleStatus("echo-80", [{ node: "a", pod: "echo-1", uid: uid("p"), state: "ready" }]);
  await until("it's seen", () => to.namespace.seen(wanted).status.pods[0]?.state === "ready");
  assert.ok(to.changes > 1);
});

Deno.test("adding it again changes only where it goes", async () => {
  await using to = await intercepting();
  const first = await to.namespace.add(target("echo"), local);
  const second = await to.namespace.add(target("echo"), { ...local, port: 9090 });
  assert.equal(second.rule.uid, first.rule.uid);
  assert.equal(second.since, first.since);
  assert.deepEqual([...to.namespace.wanted.values()], [second]);
});

Deno.test("a rule that somebody else has deleted is a problem, which the same intercept once more mends", async () => {
  await using to = await intercepting();
  const wanted = await to.namespace.add(target("echo"), local);
  const shop = await to.namespace.add(target("shop"), local);
  await until("the watch has them", () => to.namespace.met === 2);
  to.cluster.delete(PREFIX, "interceptrules", "echo-80");
  await until("it's told", () => wanted.problem !== undefined);
  assert.match(
    wanted.problem ?? "",
    /^somebody has deleted its rule echo-80 in the cluster, and the pods answer/,
  );
  assert.equal(shop.problem, undefined);
  const again = await to.namespace.add(target("echo"), local);
  assert.equal(again.problem, undefined);
  assert.deepEqual(to.rules(), ["echo-80", "shop-80"]);
});

Deno.test("a session that is lost is replaced by another one with the same rules", async () => {
  await using to = await intercepting();
  const wanted = await to.namespace.add(target("echo"), local);
  await to.namespace.add(target("shop"), local);
  const [session, rule] = [to.namespace.session.object.uid, wanted.rule.uid];
  // As the agents do with a laptop that slept: the rules go with the session.
  to.cluster.delete(PREFIX, "interceptsessions", SESSION);
  for (const name of ["echo-80", "shop-80"]) to.cluster.delete(PREFIX, "interceptrules", name);
  await until("the rules are back", () => to.rules().length === 2 && wanted.rule.uid !== rule);
  assert.notEqual(to.namespace.session.object.uid, session);
  assert.equal(wanted.rule.session.uid, to.namespace.session.object.uid);
});

Deno.test("a session that can't be replaced is tried again, with pauses", async () => {
  await using to = await intercepting();
  const wanted = await to.namespace.add(target("echo"), local);
  const creations = () => to.cluster.asked.filter((one) => /^POST .*sessions$/.test(one)).length;
  const before = creations();
  let failures = 0;
  to.cluster.refuse = (asked) =>
    asked.startsWith("POST") && failures++ < 1 ? json(500, status(500, "InternalError", "etcd")) : undefined;
  to.cluster.delete(PREFIX, "interceptsessions", SESSION);
  await until("it was tried", () => failures > 0);
  assert.deepEqual(to.namespace.seen(wanted).status.pods, []);
  await until("it's there again", () => to.cluster.all("interceptsessions").length === 1);
  assert.equal(creations(), before + 2);
  await until("so is the rule", () => wanted.rule.session.uid === to.namespace.session.object.uid);
});

Deno.test("a port that somebody took while the session was lost is a problem of that intercept alone", async () => {
  await using to = await intercepting();
  const echo = await to.namespace.add(target("echo"), local);
  const shop = await to.namespace.add(target("shop"), local);
  to.cluster.ruleStatus("echo-80", [{ node: "a", pod: "echo-1", uid: uid("p"), state: "ready" }]);
  for (const name of ["echo-80", "shop-80"]) to.cluster.delete(PREFIX, "interceptrules", name);
  await using theirs = await Session.open(to.cluster.api, "default", ann, () => {});
  const rule = await createRule(to.cluster.api, theirs, target("echo"));
  to.cluster.delete(PREFIX, "interceptsessions", SESSION);
  await until("it's known", () => /is intercepted by ann/.test(echo.problem ?? ""));
  assert.deepEqual(to.namespace.seen(echo).status.pods, [], "it isn't in force, whatever was said before");
  await until("the other is back", () => shop.rule.session.uid === to.namespace.session.object.uid);
  assert.equal(shop.problem, undefined);
  to.cluster.delete(PREFIX, "interceptrules", "echo-80");
  assert.ok(rule);
  await until("it's restored when they leave", () => echo.problem === undefined);
});

Deno.test("a rule that can't be deleted doesn't keep its intercept", async () => {
  await using to = await intercepting();
  const wanted = await to.namespace.add(target("echo"), local);
  to.cluster.refuse = (asked) =>
    asked.startsWith("DELETE") && asked.includes("rules")
      ? json(500, status(500, "InternalError", "etcd"))
      : undefined;
  await assert.rejects(to.namespace.remove(wanted), { name: "ApiError" });
  assert.equal(to.namespace.wanted.size, 0);
});

Deno.test("ending while the session is being replaced leaves none", async () => {
  const to = await intercepting();
  to.cluster.delete(PREFIX, "interceptsessions", SESSION);
  await until("it's being opened", () => to.log.length > 0);
  assert.deepEqual(await to.namespace.end(), []);
  assert.deepEqual(to.cluster.all("interceptsessions"), []);
  await to[Symbol.asyncDispose]();
});

Deno.test("ending with a server that doesn't answer is soon over, and says what is left", async () => {
  await using to = await intercepting();
  await to.namespace.add(target("echo"), local);
  to.cluster.silent = true;
  assert.deepEqual(await to.namespace.end(), [
    "the session jo-0123456789 in the namespace default: agents end it within 30 s",
  ]);
});

Deno.test("a change of where it goes that is given up leaves the intercept that stood", async () => {
  await using to = await intercepting();
  await to.namespace.add(target("echo"), local);
  const giveUp = new AbortController();
  to.cluster.refuse = (asked) => {
    if (asked.startsWith("POST")) giveUp.abort(new Error("Ctrl-C"));
    return undefined;
  };
  const change = to.namespace.add(target("echo"), { ...local, port: 9 }, giveUp.signal);
  await assert.rejects(change, /Ctrl-C/);
  assert.deepEqual([...to.namespace.wanted.values()].map(({ local }) => local), [local]);
  assert.deepEqual(to.rules(), ["echo-80"]);
});

Deno.test("a rule that couldn't be deleted is deleted as soon as it can be, and the others of the session stay", async () => {
  await using to = await intercepting();
  const echo = await to.namespace.add(target("echo"), local);
  await to.namespace.add(target("shop"), local);
  to.cluster.refuse = (asked) =>
    asked.startsWith("DELETE") ? json(500, status(500, "InternalError", "etcd")) : undefined;
  await assert.rejects(to.namespace.remove(echo));
  to.cluster.refuse = () => undefined;
  await until("it's gone", () => to.rules().join() === "shop-80");
});

Deno.test("a rule whose creation is under way is not an orphan, though the watch shows it already", async () => {
  await using to = await intercepting();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { create } = to.cluster.api;
  to.cluster.api.create = async (...of) => {
    const created = await create.apply(to.cluster.api, of);
    await promise;
    return created;
  };
  const adding = to.namespace.add(target("echo"), local);
  await until("it's there", () => to.rules().length === 1);
  await new Promise((resolve) => setTimeout(resolve, 700)); // for longer than an orphan stays
  resolve();
  await adding;
  assert.deepEqual(to.rules(), ["echo-80"]);
});

Deno.test("intercepts whose session can't be replaced say why", async () => {
  await using to = await intercepting();
  const wanted = await to.namespace.add(target("echo"), local);
  to.cluster.refuse = (asked) =>
    asked.startsWith("POST") ? json(403, status(403, "Forbidden", "no sessions")) : undefined;
  to.cluster.delete(PREFIX, "interceptsessions", SESSION);
  await until("it's said", () => /no sessions/.test(wanted.problem ?? ""));
  to.cluster.refuse = () => undefined;
  await until("it has no problem any more", () => wanted.problem === undefined);
});
