import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { InterceptEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import { who } from "./lib/who.ts";
import type { World } from "./lib/world.ts";

const alices = { as: "alices-laptop", http: 8081, tcp: 9100 };
const bobs = { as: "bobs-laptop", http: 8081, tcp: 9100 };
const install = { timeout: 300_000 };
const hers = "-H X-User:alice";
/** A Service of the same pods as echo. */
const SERVICE = "team";
const url = `http://${SERVICE}/`;

async function applyService(
  world: World,
  changes: { name?: string; targetPort?: number } = {},
): Promise<void> {
  const { name = SERVICE, targetPort = 8080 } = changes;
  await world.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default" },
    spec: { selector: { app: "echo" }, ports: [{ name: "http", port: 80, targetPort }] },
  });
}

async function deleteService(world: World, name = SERVICE): Promise<void> {
  await world.kubectl(["delete", "service", name, "--ignore-not-found"]);
}

async function entryOf(person: Pmz): Promise<InterceptEntry | undefined> {
  return (await person.json<{ items: InterceptEntry[] }>(["intercept", "list"])).items[0];
}

/** Waits until requests are answered by these servers. */
async function answered(caller: Caller, requests: string[], by: string[]): Promise<void> {
  let last: string[] = [];
  await until(`${requests} are answered by ${by}`, async () => {
    last = await who(caller, ...requests);
    return last.join() === by.join();
  }, 30_000).catch((error) => assert.deepEqual(last, by, String(error)));
}

Deno.test("a personal intercept follows its Service: another target port, deleted and made again, no pods and pods again", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using _bobs = await answer(world.other, "bob", bobs);
  await using caller = await Caller.start(world);
  await using _service = { [Symbol.asyncDispose]: () => deleteService(world) };
  await applyService(world);
  await alice.done(["intercept", SERVICE, "8081", "--header", "x-user=alice", "--yes"], install);
  const said = await otherBob.done(
    ["intercept", "echo", "8081:http", "--header", "x-user=bob", "--yes"],
    install,
  );
  assert.match(said.stdout, /^others: alice takes header x-user: alice by Service team:80$/m);
  const both = [`${hers} ${url}`, `${hers} http://echo/`, "-H X-User:bob"];
  await answered(caller, both, [alices.as, alices.as, bobs.as]);

  await applyService(world, { targetPort: 9000 });
  await answered(caller, both.slice(0, 2), [alices.as, "pod"]);
  await applyService(world);
  await answered(caller, both, [alices.as, alices.as, bobs.as]);

  await deleteService(world);
  await until(
    "the list says that it's gone",
    async () => (await entryOf(alice))?.problems.join() === "nothing arrives until there is a Service team",
  );
  await answered(caller, both.slice(1), ["pod", bobs.as]);
  await applyService(world);
  await answered(caller, both, [alices.as, alices.as, bobs.as]);
  await until("nothing is wrong", async () => (await entryOf(alice))?.problems.length === 0);
  // The same command moves it, though the Service is another object.
  await alice.done(["intercept", SERVICE, "8081", "--header", "x-user=alice"]);
  assert.equal((await entryOf(alice))?.pods.ready, 2);

  await world.kubectl(["scale", "deployment/echo", "--replicas=0"]);
  try {
    await until("it says that there are no pods", async () => (await entryOf(alice))?.pods.all === 0, 30_000);
  } finally {
    await world.kubectl(["scale", "deployment/echo", "--replicas=2"]);
    await world.kubectl(["rollout", "status", "deployment/echo", "--timeout=60s"], { timeout: 70_000 });
  }
  await answered(caller, both, [alices.as, alices.as, bobs.as]);
  await until("it's in both pods", async () => (await entryOf(alice))?.pods.ready === 2);
});

Deno.test("a colleague opens another's domain by the printed command; what either ends is theirs alone", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using _bobs = await answer(world.other, "bob", bobs);
  await using caller = await Caller.start(world);
  await alice.up();
  const domain = "alice.shop.example";
  const { stdout, stderr } = await alice.done(
    ["intercept", "echo", "8081:http", "--domain", domain, "--yes"],
    install,
  );
  const [, line = ""] = /(pmz dns add [^\n]*)/.exec(stdout + stderr) ?? [];
  assert.notEqual(line, "", stdout + stderr);
  await otherBob.up();
  await otherBob.shell(line);
  const opened = async (person: Pmz) => {
    const said = await person.shell(`curl -s -m 5 http://${domain}/ || true`);
    return /"pod":"([^"]*)"/.exec(said)?.[1]?.replace(/^echo-.*/, "pod") ?? "nothing";
  };
  assert.deepEqual([await opened(alice), await opened(otherBob)], [alices.as, alices.as]);

  await otherBob.done(["intercept", "echo", "8081:http", "--header", "x-user=bob", "--yes"], install);
  await answered(caller, [`-H Host:${domain}`, "-H X-User:bob", ""], [alices.as, bobs.as, "pod"]);
  await alice.done(["down"]);
  await answered(caller, [`-H Host:${domain}`, "-H X-User:bob", ""], ["pod", bobs.as, "pod"]);
  assert.equal(await opened(otherBob), "pod", "the name is still bob's, and the pods answer");
  assert.equal(await opened(alice), "nothing", "it went with the intercept");
  await otherBob.done(["dns", "remove", domain]);
});

Deno.test("who comes back after kill -9 has the same intercepts at once, whole and personal, next to a colleague's", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using _bobs = await answer(world.other, "bob", bobs);
  await using caller = await Caller.start(world);
  await otherBob.done(["intercept", "echo", "8081:http", "--header", "x-user=bob", "--yes"], install);
  const wholeAndPersonal = async () => {
    await alice.done(["intercept", "echo", "8081:http", "--yes"], install);
    await alice.done(["intercept", "echo", "8081:http", "--header", "x-user=alice"]);
  };
  await wholeAndPersonal();
  await answered(caller, [hers, "-H X-User:bob", ""], [alices.as, bobs.as, alices.as]);
  Deno.kill(await alice.daemon(), "SIGKILL");
  await wholeAndPersonal();
  await answered(caller, [hers, "-H X-User:bob", ""], [alices.as, bobs.as, alices.as]);
  const rules = await world.kubectl(["get", "interceptrules", "-o", "name"]); // another test's may be on their way out
  assert.equal(rules.match(/\/echo-80/g)?.length, 3, rules);
});
