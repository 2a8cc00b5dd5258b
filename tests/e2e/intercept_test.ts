// deno-lint-ignore-file no-console -- how long things took
import { until } from "../../async/testing/until.ts";
import assert from "node:assert/strict";
import type { InterceptEntry, ServiceEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import { clusterSnapshot } from "./lib/cluster_snapshot.ts";
import { container } from "./lib/container.ts";
import { dialBulk, dialMany, dialMix } from "./lib/dial.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";

const MIB = 1 << 20;
const install = { timeout: 60_000 };
/** What alice runs on her laptop instead of the Service. */
const local = { as: "on-the-laptop", http: 8081, tcp: 9100 };

function intercept(person: Pmz, ...args: string[]) {
  return person.done(["intercept", ...args, "--yes"], install);
}

/** Who answers on the laptop itself. */
async function who(person: Pmz, url = "http://echo.default.svc/"): Promise<string> {
  const said = await person.shell(`curl -sS -m 5 '${url}'`);
  return (JSON.parse(said) as { pod: string }).pod;
}

async function intercepts(person: Pmz): Promise<InterceptEntry[]> {
  return (await person.json<{ items: InterceptEntry[] }>(["intercept", "list"])).items;
}

/** Asks from a pod until a pod answers; answers after how many milliseconds one did. */
async function podsAnswer(caller: Caller, within: number): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const [answered] = await caller.who();
    const took = performance.now() - begun;
    if (answered?.startsWith("echo-")) return took;
    assert.ok(took < within, `${took} ms later "${answered}" answers`);
  }
}

Deno.test("`pmz intercept echo 8081` has a program on the laptop answer it, for the laptop and for pods of each node", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using near = await Caller.start(world, { node: 1 });
  await using far = await Caller.start(world, { node: 2 });
  const alice = await stage.up();
  assert.match(await who(alice), /^echo-/);

  const { stdout } = await intercept(alice, "echo", "8081");
  assert.match(stdout, /^echo\.default:80 -> localhost:8081, in 2 of 2 pods$/m);
  assert.equal(await who(alice), local.as);
  for (const caller of [near, far]) {
    assert.deepEqual(await caller.who("http://echo/", 10), Array(10).fill(local.as));
    assert.match((await caller.who("http://echo.other/"))[0] ?? "", /^echo-/, "the same name elsewhere");
    assert.match((await caller.who("http://peers-0.peers:8080/"))[0] ?? "", /^peers-0/);
  }
  const seen = JSON.parse((await far.run("curl -s -m5 http://echo/way?x=1")).stdout) as Record<
    string,
    string
  >;
  assert.deepEqual([seen.path, seen.query, seen.host], ["/way", "x=1", "echo"]);

  const [entry] = await intercepts(alice);
  assert.deepEqual([entry?.id, entry?.local, entry?.port, entry?.portName], [
    "echo.default:80",
    "localhost:8081",
    80,
    "http",
  ]);
  assert.deepEqual([entry?.pods, entry?.problems], [{ ready: 2, all: 2 }, []]);
  assert.ok((entry?.connections.total ?? 0) >= 21);
  const { items } = await alice.json<{ items: ServiceEntry[] }>(["services"]);
  assert.equal(items.find(({ name }) => name === "echo")?.intercepted, "echo.default:80");

  const { ms } = await alice.done(["leave", "echo"]);
  console.log(`pmz leave took ${Math.round(ms)} ms`);
  for (const caller of [near, far]) {
    const pods = await caller.who("http://echo/", 10);
    assert.ok(pods.every((pod) => pod.startsWith("echo-")), pods.join());
  }
  assert.match(await who(alice), /^echo-/);
  assert.deepEqual(await intercepts(alice), []);
  assert.equal((await alice.done(["leave", "echo"])).code, 0);
});

Deno.test("an intercept needs no `pmz up` and no root, and each way to name the port means the same", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  for (const to of ["8081:http", "127.0.0.1:8081:80", "localhost:8081:http"]) {
    const { stdout } = await alice.done(["intercept", "echo", to, "--yes"], { ...install, stdin: "" });
    assert.match(stdout, /^echo\.default:80 -> /m);
    assert.deepEqual(await caller.who(), [local.as]);
    await alice.done(["leave", "echo.default:80"]);
    assert.match((await caller.who())[0] ?? "", /^echo-/);
  }
  for (
    const [args, code] of [[["nothing", "8081"], 7], [["echo", "8081:81"], 7], [
      ["echo", "eight"],
      2,
    ]] as const
  ) {
    assert.equal((await alice.run(["intercept", ...args, "--yes"])).code, code, args.join(" "));
  }
});

Deno.test("what a container published is reached, as with `docker run -p 8081:80`", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _container = await container(world.laptop, 8081);
  await using caller = await Caller.start(world);
  const alice = await stage.up();
  await intercept(alice, "add", "-s", "echo", "-p", "8081:80");
  assert.equal(await who(alice), "container");
  assert.deepEqual(await caller.who("http://echo/", 5), Array(5).fill("container"));
  assert.match(
    (await alice.done(["intercept", "list"])).stdout,
    /^echo\.default:80 +localhost:8081 +2 of 2/m,
  );
  await alice.done(["intercept", "delete", "-s", "echo"]);
  assert.match((await caller.who())[0] ?? "", /^echo-/);
});

Deno.test("100 MiB come back from the laptop as a pod sent them, and as the laptop did", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  const alice = await stage.up();
  await intercept(alice, "echo", "9100:tcp");
  const script = `
    mkfifo /tmp/sum; sha256sum </tmp/sum >/tmp/sent &
    head -c ${100 * MIB} /dev/urandom | tee /tmp/sum | timeout 60 nc -N echo 9000 |
      { read -r first; echo "$first"; sha256sum; }
    wait; cat /tmp/sent; rm /tmp/sum`;
  const { stdout, stderr, ms } = await caller.run(script, { timeout: 90_000 });
  console.log(`100 MiB from a pod and back in ${Math.round(ms)} ms`);
  const [first, received, sent] = stdout.trim().split("\n");
  assert.equal(first, local.as, stderr);
  assert.match(sent ?? "", /^[0-9a-f]{64} /);
  assert.equal(received, sent);

  const own = await dialBulk(alice, { host: "echo.default.svc", port: 9000 }, 100 * MIB);
  console.log(`100 MiB from the laptop, by the cluster, and back in ${Math.round(own.ms)} ms`);
  assert.deepEqual([own.first, own.bytes, own.same], [local.as, 100 * MIB, true]);
});

Deno.test("connections of all sizes side by side come back from the laptop as they were sent", async () => {
  await using stage = await Stage.set();
  await using _program = await answer(stage.world.laptop, "alice", local);
  const alice = await stage.up();
  await intercept(alice, "echo", "9100:tcp");
  const { connections, bytes, bad } = await dialMix(alice, { host: "echo.default.svc", port: 9000 }, 8, 20);
  console.log(`${connections} connections, ${Math.round(bytes / MIB)} MiB each way`);
  assert.deepEqual(bad, []);
});

Deno.test("500 connections are open at once to an intercepted Service, from a pod and from the laptop", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  const alice = await stage.up();
  await intercept(alice, "echo", "9100:9000");
  const script = `
    files=()
    for i in {1..500}; do exec {file}<>/dev/tcp/echo/9000 && files+=($file); done
    for file in "\${files[@]}"; do read -r -t 20 -u $file first && echo "$first"; done
    for file in "\${files[@]}"; do echo "line $file" >&$file; done
    for file in "\${files[@]}"; do read -r -t 20 -u $file line && [ "$line" = "line $file" ] && echo back; done`;
  const { stdout, stderr, ms } = await caller.run(script, { timeout: 90_000 });
  console.log(`500 connections from a pod in ${Math.round(ms)} ms`);
  const lines = Map.groupBy(stdout.trim().split("\n"), (line) => line);
  assert.equal(stderr, "");
  assert.deepEqual([...lines].map(([line, all]) => [line, all.length]), [[local.as, 500], ["back", 500]]);

  const own = await dialMany(alice, { host: "echo.default.svc", port: 9000 }, 500);
  console.log(`500 connections from the laptop in ${Math.round(own.ms)} ms`);
  assert.deepEqual([own.answered, own.firsts, own.failed], [500, { [local.as]: 500 }, []]);
});

Deno.test("200 requests in parallel from a pod are all answered on the laptop", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await intercept(alice, "echo", "8081");
  const { stdout } = await caller.run(
    "curl -s -m 20 --parallel --parallel-immediate --parallel-max 200 'http://echo/[1-200]'",
    { timeout: 60_000 },
  );
  const pods = [...stdout.matchAll(/"pod":"([^"]*)"/g)].map(([, pod]) => pod);
  assert.deepEqual([pods.length, new Set(pods)], [200, new Set([local.as])]);
});

Deno.test("the second person is told who has the Service", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await intercept(alice, "echo", "8081");
  const { code, stderr } = await otherBob.run(["intercept", "echo", "8081", "--yes"], install);
  assert.equal(code, 8, stderr);
  assert.match(stderr, /alice/);
  assert.deepEqual(await caller.who(), [local.as]);
  await alice.done(["leave", "--all"]);
  await using _others = await answer(world.other, "bob", { ...local, as: "bobs-laptop" });
  await intercept(otherBob, "echo", "8081");
  assert.deepEqual(await caller.who(), ["bobs-laptop"]);
});

Deno.test("pods stay ready while nothing listens on the laptop, and callers are told at once", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using caller = await Caller.start(world);
  await intercept(alice, "echo", "8081");
  const { stdout } = await caller.run(
    "curl -s -o/dev/null -m5 -w '%{time_total}' http://echo/; echo \" $?\"",
  );
  const [seconds, code] = stdout.trim().split(" ");
  assert.match(code ?? "", /^(7|52|56)$/, "refused, or reset");
  assert.ok(Number(seconds) < 1, `took ${seconds} s`);
  await new Promise((resolve) => setTimeout(resolve, 4_000)); // more than three probes, each after a second
  const ready = await world.kubectl([
    "get",
    "endpointslices",
    "-l",
    "kubernetes.io/service-name=echo",
    "-o",
    "jsonpath={.items[*].endpoints[*].conditions.ready}",
  ]);
  assert.equal(ready, "true true");
});

Deno.test("kill -9 of the daemon gives the Service back to its pods, and the cluster forgets the intercept", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await intercept(alice, "echo", "8081");
  assert.deepEqual(await caller.who(), [local.as]);
  Deno.kill(await alice.daemon(), "SIGKILL");
  console.log(`a pod answered ${Math.round(await podsAnswer(caller, 10_000))} ms after`);
  const begun = performance.now();
  const objects = () => world.kubectl(["get", "interceptrules,interceptsessions", "-A", "-o", "name"]);
  // A session lives 30 s without a renewal.
  await until("rule and session are gone", async () => await objects() === "", 45_000);
  console.log(`rule and session were gone ${Math.round(performance.now() - begun)} ms after`);
});

Deno.test("`pmz down` takes intercepts along, and the cluster is as it was before", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  const alice = await stage.up();
  await alice.done(["agent", "deploy"], install);
  const before = await clusterSnapshot(world);
  const laptop = await world.laptop.snapshot();
  await intercept(alice, "echo", "8081");
  const seen = before.diff(await clusterSnapshot(world));
  assert.match(seen, /^\+ objects: InterceptRule default echo-80$/m);
  assert.match(seen, /^\+ bpf in pods: /m);
  assert.match((await alice.done(["down"])).stdout, /left: nothing/);
  assert.match((await caller.who())[0] ?? "", /^echo-/);
  assert.equal(before.diff(await clusterSnapshot(world)), "");
  assert.notEqual(laptop.diff(await world.laptop.snapshot()), "", "without the connection, too");
});
