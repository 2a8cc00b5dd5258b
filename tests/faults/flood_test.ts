// deno-lint-ignore-file no-console -- how long requests took
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { answer } from "../e2e/lib/answerer.ts";
import { MachinePod } from "../e2e/lib/machine_pod.ts";
import type { Running } from "../e2e/lib/running.ts";
import { Stage } from "../e2e/lib/stage.ts";
import type { World } from "../e2e/lib/world.ts";

const source = (name: string) => Deno.readTextFile(new URL(`flood/${name}`, import.meta.url));
/** Seconds that requests are measured for, once without a flood and once with one. */
const SECONDS = 4;

/** What came of one kind of requests. */
interface Paced {
  readonly by: Readonly<Record<string, number>>;
  readonly failed: readonly string[];
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Alice's and bob's rules on a port, a pod that floods it, and one that asks. */
async function scene() {
  const stage = await Stage.set();
  const owned = new AsyncDisposableStack();
  owned.use(stage);
  const { world } = stage;
  for (const [laptop, person] of [[world.laptop, "alice"], [world.other, "bob"]] as const) {
    owned.use(await answer(laptop, person, { as: `${person}s-laptop`, http: 8081, tcp: 9100 }));
  }
  const flooder = owned.use(await MachinePod.start(world));
  const asker = owned.use(await MachinePod.start(world));
  for (const [person, name] of [[stage.alice, "alice"], [stage.otherBob, "bob"]] as const) {
    await person.done(["intercept", "echo", "8081:http", "--header", `x-user=${name}`, "--yes"], {
      timeout: 300_000,
    });
  }
  const { alice, otherBob } = stage;
  return {
    world,
    alice,
    otherBob,
    async pace(): Promise<{ alice: Paced; others: Paced }> {
      const ended = await asker.run(["python3", "-c", await source("pace.py"), "echo", `${SECONDS}`], {
        timeout: 120_000,
      });
      console.log(ended.stdout.trim());
      return JSON.parse(ended.stdout);
    },
    async flood(kinds: Readonly<Record<string, number>>): Promise<Running> {
      const counts = Object.entries(kinds).map(([kind, count]) => `${kind}=${count}`);
      const flood = flooder.spawn(["python3", "-c", await source("flood.py"), "echo", ...counts]);
      const all = Object.values(kinds).reduce((sum, count) => sum + count, 0);
      await until("the flood has begun", () => (told(flood)?.open ?? 0) > 0.8 * all, 60_000);
      return flood;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What a flood has said last: connections that are open, and by their kind those that broke. */
function told(flood: Running): { open: number; broken: Record<string, number> } | undefined {
  const line = flood.said.split("\n").at(-2); // the last whole one
  return line === undefined ? undefined : JSON.parse(line);
}

/** How often containers of the node agent were started again, and which pods there are. */
async function agents(world: World): Promise<string> {
  const each = '{.metadata.name} {.status.containerStatuses[*].restartCount}{"\\n"}';
  return await world.kubectl([
    "get",
    "pods",
    "-n",
    "pmz-node",
    "-o",
    `jsonpath={range .items[*]}${each}{end}`,
  ]);
}

/** Another caller's requests are all answered by the right one, and about as fast as without the flood. */
function unharmed(quiet: Paced, flooded: Paced, right: RegExp): void {
  assert.deepEqual(flooded.failed, []);
  for (const by of Object.keys(flooded.by)) assert.match(by, right);
  // Some requests of a busy machine take a second; while a tunnel is stalled all of them take five.
  const most = Math.max(20 * quiet.p99, 1_500);
  assert.ok(flooded.p99 < most, `p99 is ${flooded.p99} ms, without the flood ${quiet.p99} ms`);
}

Deno.test("callers that read nothing or never finish asking, and a laptop that takes nothing, cost other callers nothing", async () => {
  await using all = await scene();
  const before = await agents(all.world);
  const quiet = await all.pace();
  const isUnharmed = async () => {
    const { alice, others } = await all.pace();
    unharmed(quiet.alice, alice, /^alices-laptop$/);
    unharmed(quiet.others, others, /^echo-/);
  };
  {
    await using flood = await all.flood({ alice: 160, others: 150, heads: 150 });
    // Until then it is the tunnel's rate that is shared.
    await until("what is unread has filled a tunnel", () => (told(flood)?.broken.alice ?? 0) > 20, 90_000);
    await isUnharmed();
    console.log(told(flood));
  }
  const daemon = await all.otherBob.daemon();
  Deno.kill(daemon, "SIGSTOP");
  try {
    await using _flood = await all.flood({ bob: 150 });
    await isUnharmed();
  } finally {
    Deno.kill(daemon, "SIGCONT");
  }
  assert.equal(await agents(all.world), before, "nothing was started again");
});
