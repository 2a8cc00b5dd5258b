import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { json, status } from "../../kube/testing/api_server.ts";
import { FakeApi, forbidden } from "../testing/cluster.ts";
import { type Person, Session } from "./session.ts";

const jo: Person = { user: "jo@example.com", machine: "laptop", mark: "0123456789" };
const quiet = () => {};
const QUICK = {
  renewEveryMs: 5,
  retry: { firstMs: 1, maxMs: 2 },
  renewTimeoutMs: 20,
  endTimeoutMs: 20,
};
const GROUP = "/apis/pmz.dev/v1alpha1";
const NAME = "jo-example-com-0123456789";

const sessions = (cluster: FakeApi) => cluster.all("interceptsessions");

Deno.test("a session says who it is, and is gone when it ends", async () => {
  await using cluster = new FakeApi();
  {
    await using session = await Session.open(cluster.api, "default", jo, quiet);
    const [[name, object] = []] = sessions(cluster);
    assert.equal(name, `default/${NAME}`);
    const { renewal: _, ...spec } = object?.spec as Record<string, unknown>;
    assert.deepEqual(spec, {
      publicKey: session.key.publicKey,
      user: "jo@example.com",
      machine: "laptop",
      durationSeconds: 30,
    });
  }
  assert.deepEqual(sessions(cluster), []);
});

Deno.test("any user's name makes the name of an object", async () => {
  await using cluster = new FakeApi();
  for (const user of ["system:serviceaccount:ci:bot", "Ünï", "---", "x".repeat(200)]) {
    await using session = await Session.open(cluster.api, "default", { ...jo, user }, quiet);
    assert.match(session.object.name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
    assert.ok(session.object.name.length <= 63);
  }
});

Deno.test("a session is renewed, each time to another text", async () => {
  await using cluster = new FakeApi();
  await using _session = await Session.open(cluster.api, "default", jo, quiet, { times: QUICK });
  const seen = new Set<unknown>();
  await until("it was renewed three times", () => {
    seen.add((sessions(cluster)[0]?.[1].spec as { renewal: unknown }).renewal);
    return seen.size > 3;
  });
});

Deno.test("a session of the same name is of a daemon that is gone: it's replaced", async () => {
  await using cluster = new FakeApi();
  const stale = await Session.open(cluster.api, "default", jo, quiet);
  await using session = await Session.open(cluster.api, "default", jo, quiet);
  assert.notEqual(session.object.uid, stale.object.uid);
  assert.equal(sessions(cluster).length, 1);
  assert.equal(await stale.end(), true, "its own is gone");
  assert.equal(sessions(cluster).length, 1, "and the other one was left alone");
});

Deno.test("a session that somebody deleted, or another one replaced, is lost", async () => {
  await using cluster = new FakeApi();
  await using deleted = await Session.open(cluster.api, "default", jo, quiet, { times: QUICK });
  cluster.delete(GROUP, "interceptsessions", NAME);
  await deleted.lost;
  await using replaced = await Session.open(cluster.api, "default", jo, quiet, { times: QUICK });
  await using _other = await Session.open(cluster.api, "default", jo, quiet);
  await replaced.lost;
});

Deno.test("a server that fails for a while loses no session, and the log has it once", async () => {
  await using cluster = new FakeApi();
  const log: string[] = [];
  const times = { ...QUICK, renewEveryMs: 1 };
  let failures = 0;
  await using _session = await Session.open(
    cluster.api,
    "default",
    jo,
    (_level, text) => void log.push(text),
    {
      times,
    },
  );
  cluster.refuse = (asked) =>
    asked.startsWith("PATCH") && failures++ < 2 ? json(500, status(500, "InternalError", "etcd")) : undefined;
  const before = cluster.asked.length;
  await until("it's renewed again", () => cluster.asked.length > before + 4);
  assert.deepEqual(log, ["the session can't be renewed"]);
});

Deno.test("a renewal without an answer is given up in time for the next", async () => {
  await using cluster = new FakeApi();
  await using _session = await Session.open(cluster.api, "default", jo, quiet, { times: QUICK });
  cluster.silent = true;
  const renewals = () => cluster.asked.filter((asked) => asked.startsWith("PATCH")).length;
  const before = renewals();
  await until("it was tried again", () => renewals() >= before + 2);
  cluster.silent = false;
});

Deno.test("ending waits no longer than its time for a server that doesn't answer", async () => {
  await using cluster = new FakeApi();
  const log: string[] = [];
  const session = await Session.open(cluster.api, "default", jo, (_level, text) => void log.push(text), {
    times: QUICK,
  });
  cluster.silent = true;
  assert.equal(await session.end(), false);
  assert.equal(await session.end(), false);
  assert.equal(log.at(-1), "the session can't be deleted");
});

Deno.test("opening is given up with its signal, and what isn't allowed is told", async () => {
  await using cluster = new FakeApi();
  cluster.refuse = forbidden;
  await assert.rejects(Session.open(cluster.api, "default", jo, quiet), { name: "ApiError", status: 403 });
  cluster.refuse = () => undefined;
  cluster.silent = true;
  const giveUp = new AbortController();
  const options = { signal: giveUp.signal, times: QUICK };
  const opening = Session.open(cluster.api, "default", jo, quiet, options);
  giveUp.abort(new Error("Ctrl-C"));
  await assert.rejects(opening, /Ctrl-C/);
});

Deno.test("a session whose creation was given up too late is deleted again", async () => {
  await using cluster = new FakeApi();
  const giveUp = new AbortController();
  cluster.refuse = (asked) => {
    if (asked.startsWith("POST")) giveUp.abort(new Error("Ctrl-C"));
    return undefined;
  };
  const opening = Session.open(cluster.api, "default", jo, quiet, { signal: giveUp.signal });
  await assert.rejects(opening, /Ctrl-C/);
  assert.deepEqual(sessions(cluster), []);
});
