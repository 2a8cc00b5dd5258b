// deno-lint-ignore-file no-console -- where it was interrupted
import assert from "node:assert/strict";
import { sleep } from "../../async/sleep.ts";
import { until } from "../../async/testing/until.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import type { Running } from "../e2e/lib/running.ts";
import { Stage } from "../e2e/lib/stage.ts";

/** What a terminal sends for Ctrl-C. */
const CTRL_C = "\x03";
/** How soon a step comes, in milliseconds. */
const STEP_MS = 30_000;
/** How soon the laptop has to be as it was, in milliseconds, looking included. */
const WITHIN = 10_000;
/** The steps of an `up` whose agent is installed. */
const STEPS = [
  "Connect to the cluster",
  "Open the tunnel",
  "Capture addresses",
  "Answer names",
  "Try a connection",
];
/** Between two moments in which an `up` is interrupted, in milliseconds. */
const PAUSE = 50;
/** What an `up` that has done its work says, though it is interrupted before it ends. */
const IS_UP = /^up: |pmz is up/m;
/** What a daemon that lives on has: it ends by itself a minute after its last cluster is gone. */
const daemonsOwn =
  /^(processes: bob|sockets: \w+ .* 127\.|unix: .*\/(control|new)\.sock|files: .*\/control\.sock)/;

async function isGone(person: Pmz): Promise<boolean> {
  return (await person.run(["status"])).code === 3;
}

/** The step that it was in, or had just done. */
function stepOf(up: Running): string {
  return STEPS.findLast((step) => up.said.includes(step)) ?? "before the first step";
}

Deno.test("Ctrl-C in each step of `pmz up`, and between them, leaves nothing on the laptop", async () => {
  await using stage = await Stage.set();
  const { bob, world: { laptop } } = stage;
  await bob.up(); // the agent is installed, the program unpacked
  await bob.done(["down"]);
  await until("the daemon is gone", () => isGone(bob));
  const before = await laptop.snapshot();
  const interrupted = new Map<string, number>();
  const interrupt = async (moment: (up: Running) => Promise<unknown>): Promise<boolean> => {
    await using up = laptop.terminal("bob", ["pmz", "up", "--yes"]);
    await moment(up);
    await up.write(CTRL_C).catch(() => {}); // it has ended
    const { code } = await up.status();
    if (code === 0 || IS_UP.test(up.said)) {
      await bob.done(["down"]);
      await laptop.settles(before, WITHIN);
      await until("the daemon is gone", () => isGone(bob));
      return false;
    }
    assert.equal(code, 130, up.said);
    console.log(`${stepOf(up)}: ${up.said.split("\n").at(-2)?.trim()}`);
    await laptop.settles(before, WITHIN);
    await until(`the daemon is gone: ${up.said}`, () => isGone(bob));
    interrupted.set(stepOf(up), (interrupted.get(stepOf(up)) ?? 0) + 1);
    return true;
  };
  for (const step of STEPS) {
    await interrupt((up) => up.says(new RegExp(step), STEP_MS));
  }
  for (let ms = 0; ms < 800; ms += 200) {
    await interrupt((up) => up.says(/context/, STEP_MS).then(() => sleep(ms)));
  }
  for (let ms = 0; await interrupt((up) => up.says(/Connect/, STEP_MS).then(() => sleep(ms))); ms += PAUSE);
  console.log(interrupted);
  assert.ok(interrupted.size >= 4, JSON.stringify([...interrupted]));
});

Deno.test("Ctrl-C where `pmz up` asks for sudo's password, or whether to install, leaves nothing", async () => {
  await using stage = await Stage.set();
  const { alice, world: { laptop } } = stage;
  await alice.up();
  await alice.done(["agent", "delete", "--yes"], { timeout: 60_000 });
  await alice.done(["down"]);
  await until("the daemon is gone", () => isGone(alice));
  const before = await laptop.snapshot();
  for (const question of [/Install it in .*\?/, /password for alice/]) {
    await using up = laptop.terminal("alice", ["pmz", "up"]);
    if (question.source.includes("password")) {
      await up.says(/Install it in .*\?/, STEP_MS);
      await up.write("y\n");
    }
    await up.says(question, STEP_MS);
    await up.write(CTRL_C);
    assert.notEqual((await up.status()).code, 0, up.said);
    await laptop.settles(before, WITHIN);
    await until("the daemon is gone", () => isGone(alice));
  }
});

/** Whether its daemon had come to the end of the last step when the command line was killed, and so stays up. */
async function hadDone(person: Pmz, up: Running): Promise<boolean> {
  if (!STEPS.slice(-2).includes(stepOf(up))) return false; // what it has said may be a step behind
  await sleep(3_000); // what is undone is no longer up by then
  const { stdout } = await person.run(["status", "-o", "json"]);
  return /"up": *true/.test(stdout);
}

/** A command line that is killed can't end the helper that it has just started, which then waits 15 s for its daemon. */
const signals = { SIGKILL: 25_000, SIGHUP: WITHIN, SIGTERM: WITHIN } as const;

for (const [signal, within] of Object.entries(signals) as [keyof typeof signals, number][]) {
  Deno.test(`a command line that ends by ${signal} in any step of \`pmz up\` leaves nothing captured`, async () => {
    await using stage = await Stage.set();
    const { bob, world: { laptop } } = stage;
    await bob.up();
    await bob.done(["down"]);
    await until("the daemon is gone", () => isGone(bob));
    const before = await laptop.snapshot();
    for (let ms = 0;; ms += 8 * PAUSE) {
      await using up = laptop.spawn("bob", ["sh", "-c", "echo process $$; exec pmz up --yes"]);
      const [, pid] = await up.says(/process (\d+)/, STEP_MS);
      await up.says(/context/, STEP_MS);
      await sleep(ms);
      try {
        Deno.kill(Number(pid), signal);
      } catch { /* it has ended */ }
      if ((await up.status()).code === 0 || IS_UP.test(up.said) || await hadDone(bob, up)) break;
      await laptop.settles(before, within, daemonsOwn);
    }
    await bob.done(["down"]);
    await laptop.settles(before, WITHIN);
  });
}
