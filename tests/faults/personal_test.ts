// deno-lint-ignore-file no-console -- what was answered by whom, and what was lost
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { answer } from "../e2e/lib/answerer.ts";
import { Caller } from "../e2e/lib/caller.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import { Stage } from "../e2e/lib/stage.ts";
import { signalContainers } from "./signal_containers.ts";

const alices = { as: "alices-laptop", http: 8081, tcp: 9100 };
const bobs = { as: "bobs-laptop", http: 8081, tcp: 9100 };
const install = { timeout: 300_000 };
/** Callers of each kind, each with one request under way. */
const CALLERS = 4;
const KINDS = ["others", "bob", "alice"] as const;
/** Seconds that rules come and go; where they are given, a rollout without rules is measured as well. */
const ASKED = Deno.env.get("PMZ_FAULT_SECONDS");
const SECONDS = Number(ASKED ?? 15);

/** How requests of one kind were answered: how many by each server, and how many by none. */
interface Tally {
  readonly by: Readonly<Record<string, number>>;
  readonly failed: number;
}

/** Requests that are made all the time on kept connections: of anyone, of bob and of alice. */
interface Load {
  /** Ends it. */
  stop(): Promise<{ others: Tally; bob: Tally; alice: Tally }>;
}

/** Callers begin, and a second passes in which all is well. */
async function load(caller: Caller): Promise<Load> {
  await caller.run("rm -rf /tmp/stop /tmp/said; mkdir /tmp/said");
  // A request may wait for a laptop that has fallen silent; 15 s are more than that takes to be noticed.
  const calls = (kind: string, field: string) => `
    for i in {1..${CALLERS}}; do (
      while [ ! -e /tmp/stop ]; do
        curl -s -m 15 -w '\n@%{exitcode}\n' ${field} ${"http://echo/ ".repeat(25)}
      done >/tmp/said/${kind}-$i
      mv /tmp/said/${kind}-$i /tmp/said/${kind}-$i-ended
    ) </dev/null >/dev/null 2>&1 & done`;
  await caller.run(
    ["", "-H X-User:bob", "-H X-User:alice"].map((field, i) => calls(KINDS[i] ?? "", field)).join("\n"),
  );
  await pause(1_000);
  const tally = async (kind: string): Promise<Tally> => {
    const { stdout } = await caller.run(
      `cat /tmp/said/${kind}-* | grep -o '"pod":"[^"]*"\\|@[1-9][0-9]*' | sed 's/echo-[^"]*/pod/' | sort | uniq -c`,
    );
    const counts = [...stdout.matchAll(/(\d+) (?:"pod":"([^"]*)"|@\d+)/g)];
    const by = Object.fromEntries(counts.flatMap(([, count, pod]) => pod ? [[pod, Number(count)]] : []));
    return { by, failed: counts.reduce((sum, [, count, pod]) => sum + (pod ? 0 : Number(count)), 0) };
  };
  return {
    async stop() {
      await pause(1_000);
      await caller.run("touch /tmp/stop");
      await until("all callers have ended", async () => {
        const { stdout } = await caller.run("ls /tmp/said | grep -c ended");
        return Number(stdout) === KINDS.length * CALLERS;
      }, 20_000);
      const found = { others: await tally("others"), bob: await tally("bob"), alice: await tally("alice") };
      console.log(JSON.stringify(found));
      return found;
    },
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function intercept(person: Pmz, name: string): Promise<void> {
  await person.done(["intercept", "echo", "8081:http", "--header", `x-user=${name}`, "--yes"], install);
}

/** Alice's rule on laptop 1 and bob's on laptop 2, and who calls. */
async function scene() {
  const stage = await Stage.set();
  const owned = new AsyncDisposableStack();
  owned.use(stage);
  owned.use(await answer(stage.world.laptop, "alice", alices));
  owned.use(await answer(stage.world.other, "bob", bobs));
  const caller = owned.use(await Caller.start(stage.world));
  await intercept(stage.alice, "alice");
  await intercept(stage.otherBob, "bob");
  const { world, alice, bob, otherBob } = stage;
  return { world, alice, bob, otherBob, caller, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** All of a kind were answered by one server. */
function onlyBy(server: string, { by, failed }: Tally): void {
  assert.deepEqual([Object.keys(by), failed], [[server], 0]);
}

/** Waits until requests of alice's are answered by that server. */
async function answeredBy(caller: Caller, server: string, timeoutMs = 60_000): Promise<void> {
  await until(`alice's requests are answered by ${server}`, async () => {
    const { stdout } = await caller.run("curl -s -m 5 -H X-User:alice http://echo/");
    return stdout.includes(`"pod":"${server}`);
  }, timeoutMs);
}

/** What alice's requests lose when her laptop goes, and that all others notice nothing. */
function lostToPods({ others, bob, alice }: Awaited<ReturnType<Load["stop"]>>): void {
  onlyBy("pod", others);
  onlyBy(bobs.as, bob);
  assert.deepEqual(Object.keys(alice.by).sort(), [alices.as, "pod"]);
  assert.ok(alice.failed <= CALLERS, `more than those under way: ${alice.failed}`);
}

Deno.test("a laptop whose daemon is killed loses the requests that are under way to it, and no others", async () => {
  await using all = await scene();
  const calls = await load(all.caller);
  Deno.kill(await all.alice.daemon(), "SIGKILL");
  await answeredBy(all.caller, "echo-", 20_000);
  lostToPods(await calls.stop());
});

Deno.test("a laptop whose daemon hangs loses the requests that are under way to it, and has its own again when it goes on", async () => {
  await using all = await scene();
  const daemon = await all.alice.daemon();
  const calls = await load(all.caller);
  Deno.kill(daemon, "SIGSTOP");
  try {
    await pause(10_000);
    await answeredBy(all.caller, "echo-", 20_000);
  } finally {
    Deno.kill(daemon, "SIGCONT");
  }
  await answeredBy(all.caller, alices.as);
  lostToPods(await calls.stop());
});

Deno.test("a laptop that is unplugged loses the requests that are under way to it, and has its own again when it's back", async () => {
  await using all = await scene();
  const calls = await load(all.caller);
  await all.world.laptop.cut();
  try {
    await pause(14_000);
  } finally {
    await all.world.laptop.restore();
  }
  await answeredBy(all.caller, alices.as);
  lostToPods(await calls.stop());
});

Deno.test("a relay that is killed loses the requests that are under way, and the pods answer until rules are back", async () => {
  await using all = await scene();
  const calls = await load(all.caller);
  await signalContainers(all.world, "relay", "KILL");
  await pause(1_000);
  await answeredBy(all.caller, alices.as);
  const { others, bob, alice } = await calls.stop();
  assert.deepEqual(Object.keys(others.by), ["pod"]);
  assert.deepEqual(Object.keys(bob.by).sort(), [bobs.as, "pod"]);
  assert.deepEqual(Object.keys(alice.by).sort(), [alices.as, "pod"]);
  // The relays of both nodes are killed, one after the other: a caller may be under way at each.
  for (const { failed } of [others, bob, alice]) assert.ok(failed <= 2 * CALLERS, `${failed}`);
});

Deno.test("a rule that is deleted gives its requests to the pods, and loses none but those under way", async () => {
  await using all = await scene();
  const calls = await load(all.caller);
  await all.alice.done(["leave", "--all"]);
  await answeredBy(all.caller, "echo-", 10_000);
  lostToPods(await calls.stop());
});

Deno.test("while the Deployment rolls no request is answered by the wrong side, and hardly more are lost than without pmz", async () => {
  await using all = await scene();
  const rolled = async (alicesBy: string) => {
    const calls = await load(all.caller);
    await all.world.kubectl(["rollout", "restart", "deployment/echo"]);
    await all.world.kubectl(["rollout", "status", "deployment/echo", "--timeout=60s"], { timeout: 70_000 });
    await answeredBy(all.caller, alicesBy);
    return await calls.stop();
  };
  const { others, bob, alice } = await rolled(alices.as);
  assert.deepEqual([others, bob, alice].map(({ by }) => Object.keys(by)), [["pod"], [bobs.as], [alices.as]]);
  // A rollout loses some requests without pmz, too: those to pods whose address has just gone. How many depends on the machine.
  if (ASKED === undefined) return;
  await Promise.all([all.alice, all.otherBob].map((person) => person.done(["leave", "--all"])));
  await answeredBy(all.caller, "echo-");
  const without = await rolled("echo-");
  const lost = (all: readonly Tally[]) => all.reduce((sum, { failed }) => sum + failed, 0);
  const most = lost(Object.values(without)) + KINDS.length * CALLERS;
  assert.ok(lost([others, bob, alice]) <= most, `at most ${most}`);
});

Deno.test(`two people's rules that come and go for ${SECONDS} s: no request is answered by the wrong side, and none is lost`, async () => {
  await using all = await scene();
  await intercept(all.bob, "carol"); // so that the port has a rule all the time: the first one closes what is open
  const calls = await load(all.caller);
  const end = performance.now() + SECONDS * 1_000;
  const loop = async (person: Pmz, name: string) => {
    let rounds = 0;
    for (; performance.now() < end; rounds++) {
      await person.done(["leave", "--all"]);
      await intercept(person, name);
    }
    return rounds;
  };
  const rounds = await Promise.all([loop(all.alice, "alice"), loop(all.otherBob, "bob")]);
  console.log(`${rounds} rounds`);
  await Promise.all([all.alice, all.otherBob].map((person) => person.done(["leave", "--all"])));
  const { others, bob, alice } = await calls.stop();
  assert.ok(Math.min(...rounds) >= 2);
  onlyBy("pod", others);
  for (const [tally, own] of [[bob, bobs.as], [alice, alices.as]] as const) {
    assert.deepEqual(Object.keys(tally.by).sort(), [own, "pod"]);
    // At each end of a rule those that are under way.
    assert.ok(tally.failed <= CALLERS * (Math.max(...rounds) + 1), `${tally.failed}`);
  }
});
