import assert from "node:assert/strict";
import type { Api } from "../../kube/client/api.ts";
import { parseService } from "../../kube/objects/objects.ts";
import { FakeApi, uid } from "../testing/cluster.ts";
import type { Match } from "../../wire/match.ts";
import { ruleFingerprint } from "../../wire/personal_rule.ts";
import { Failure } from "../failure.ts";
import { createRule, deleteRule } from "./rules.ts";
import { Session } from "./session.ts";
import type { InterceptTarget } from "./target.ts";

const quiet = () => {};
const jo = { user: "jo", machine: "laptop", mark: "0123456789" };
const ann = { user: "ann", machine: "desk", mark: "9876543210" };

const service = parseService({
  metadata: { namespace: "default", name: "echo", uid: uid("echo") },
  spec: { selector: { app: "echo" }, ports: [{ port: 80 }] },
});
const [port] = service.ports;
assert.ok(port);
const target: InterceptTarget = { service, port };

const open = (api: Api, person = jo) => Session.open(api, "default", person, quiet);
const rules = (cluster: FakeApi) => cluster.all("interceptrules").map(([name]) => name);

Deno.test("a rule is its session's: it names it, its key, and goes with it", async () => {
  await using cluster = new FakeApi();
  await using session = await open(cluster.api);
  const rule = await createRule(cluster.api, session, target);
  const { uid, name } = session.object;
  assert.deepEqual(rule.session, { name, uid });
  assert.equal(rule.keyFingerprint, session.key.fingerprint);
  const [[key, object] = []] = cluster.all("interceptrules");
  assert.equal(key, "default/echo-80");
  assert.deepEqual(object?.metadata.ownerReferences, [
    { apiVersion: "pmz.dev/v1alpha1", kind: "InterceptSession", name, uid },
  ]);
});

Deno.test("a session's own rule is given back", async () => {
  await using cluster = new FakeApi();
  await using session = await open(cluster.api);
  const rule = await createRule(cluster.api, session, target);
  assert.equal((await createRule(cluster.api, session, target)).uid, rule.uid);
});

Deno.test("a port that somebody else has is a conflict that says who, and theirs stays", async () => {
  await using cluster = new FakeApi();
  await using theirs = await open(cluster.api, ann);
  await createRule(cluster.api, theirs, target);
  await using session = await open(cluster.api);
  await assert.rejects(
    createRule(cluster.api, session, target),
    (error) =>
      error instanceof Failure && error.code === "conflict" &&
      /echo\.default:80 is intercepted by ann since 2026/.test(error.message) &&
      /ask ann/.test(error.hint ?? ""),
  );
  assert.deepEqual(rules(cluster), ["default/echo-80"]);
});

Deno.test("a rule of this user's own session that is gone is replaced", async () => {
  await using cluster = new FakeApi();
  await using before = await open(cluster.api);
  const stale = await createRule(cluster.api, before, target);
  await using session = await open(cluster.api); // as a daemon that was started again
  const rule = await createRule(cluster.api, session, target);
  assert.notEqual(rule.uid, stale.uid);
  assert.equal(rule.session.uid, session.object.uid);
});

Deno.test("deleting a rule that is gone, or is another by now, is fine", async () => {
  await using cluster = new FakeApi();
  await using session = await open(cluster.api);
  const rule = await createRule(cluster.api, session, target);
  await deleteRule(cluster.api, { ...rule, uid: "another" });
  assert.deepEqual(rules(cluster), ["default/echo-80"]);
  await deleteRule(cluster.api, rule);
  await deleteRule(cluster.api, rule);
  assert.deepEqual(rules(cluster), []);
});

Deno.test("a rule whose creation was given up too late is deleted again", async () => {
  await using cluster = new FakeApi();
  await using session = await open(cluster.api);
  const giveUp = new AbortController();
  cluster.refuse = (asked) => {
    if (asked.startsWith("POST")) giveUp.abort(new Error("Ctrl-C"));
    return undefined;
  };
  await assert.rejects(createRule(cluster.api, session, target, { signal: giveUp.signal }), /Ctrl-C/);
  assert.deepEqual(rules(cluster), []);
});

Deno.test("personal rules of one port stand side by side, and each one's fingerprint covers its match", async () => {
  await using cluster = new FakeApi();
  await using mine = await open(cluster.api);
  await using theirs = await open(cluster.api, ann);
  const match: Match = { headers: [{ name: "x-user", exact: "jo" }] };
  const whole = await createRule(cluster.api, theirs, target);
  const rule = await createRule(cluster.api, mine, { ...target, match });
  const same = await createRule(cluster.api, theirs, { ...target, match });
  assert.equal(
    (await createRule(cluster.api, mine, { ...target, match })).uid,
    rule.uid,
    "once more is the same one",
  );
  assert.equal(new Set([whole.name, rule.name, same.name]).size, 3);
  assert.match(rule.name, /^echo-80-[a-z]{8}$/);
  assert.deepEqual(rule.match, match);
  assert.equal(rule.keyFingerprint, ruleFingerprint(mine.key.fingerprint, { match }));
  const copies = await createRule(cluster.api, mine, { ...target, mirror: true });
  assert.match(copies.name, /^echo-80-[a-z]{8}$/, "it keeps nobody from the whole Service");
  assert.deepEqual([copies.match, copies.mirror], [undefined, true]);
  assert.equal(copies.keyFingerprint, ruleFingerprint(mine.key.fingerprint, { mirror: true }));
});
