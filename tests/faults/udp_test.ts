// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { askByUdp, keepAsking } from "../e2e/lib/datagrams.ts";
import type { Running } from "../e2e/lib/running.ts";
import { Stage } from "../e2e/lib/stage.ts";

const ECHO = ["echo.default.svc", "9001"] as const;
/** That the laptop is as before within a second is what killed_test.ts looks for; this is for machines with other work. */
const WITHIN = 10_000;
/** What a process that was killed can't delete any more, and what a daemon has that lives on without a helper. */
const deadFiles = /^files: (srw\S+ .*\/(control|helper)\.sock|-rw\S+ .*\/helper\.json)$/;
const daemonsOwn = /^(processes: alice|sockets: \w+ .* 127\.|unix: .*\/(control|new)\.sock|connections: )/;

/** Asks by the socket of a program until it is answered. @returns after how many milliseconds */
async function answered(asking: Running, text: string, within: number): Promise<number> {
  const begun = performance.now();
  for (let i = 0;; i++) {
    const { length } = asking.said;
    await asking.write(`${text} ${i}\n`);
    await asking.says(new RegExp(`^[^]{${length},}\\n`));
    const took = performance.now() - begun;
    if (asking.said.slice(length).includes(`${text} ${i}`)) return took;
    assert.ok(took < within, `no answer ${Math.round(took)} ms later: ${asking.said.slice(length)}`);
    await new Promise((resolve) => setTimeout(resolve, 100)); // a refused socket answers at once
  }
}

for (
  const [what, breaks, within] of [
    ["the API server is restarted", async ({ world }: Stage) => {
      await world.restart("apiserver");
      await world.serverReady();
    }, 30_000],
    ["the gateway's pod is deleted", async ({ world }: Stage) => {
      const path = "jsonpath={.items[0].metadata.name}";
      const first = await world.kubectl(["get", "pods", "-n", "pmz", "-o", path]);
      await world.kubectl(["delete", "pod", "-n", "pmz", first, "--grace-period=1", "--wait=false"]);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }, 30_000],
  ] as const
) {
  Deno.test(`a program's UDP socket works on after ${what}, without another one`, async () => {
    await using stage = await Stage.set();
    const alice = await stage.up();
    await using asking = keepAsking(alice, ECHO[0], Number(ECHO[1]));
    await answered(asking, "before", 5_000);
    await breaks(stage);
    console.log(`answered ${Math.round(await answered(asking, "after", within))} ms after that`);
    const [answer] = await askByUdp(alice, "connected", ...ECHO, "another");
    assert.match(String(answer?.[1]), /^echo-\S+: another$/);
  });
}

for (const victims of [["daemon"], ["helper"], ["daemon", "helper"]] as const) {
  Deno.test(`kill -9 of ${victims.join(" and ")} under UDP leaves the laptop as it was, and the next \`pmz up\` works`, async () => {
    await using stage = await Stage.set();
    const { laptop } = stage.world;
    const before = await laptop.snapshot();
    const alice = await stage.up();
    await using asking = keepAsking(alice, ECHO[0], Number(ECHO[1]));
    await answered(asking, "before", 5_000);
    const pids = { daemon: await alice.daemon(), helper: await alice.helper() };
    for (const victim of victims) Deno.kill(pids[victim], "SIGKILL");
    await asking.write("lost\n");
    await asking.closeStdin();
    await asking.status(); // whatever became of its last datagram
    const lives = !(victims as readonly string[]).includes("daemon");
    const apart = lives ? new RegExp(`${deadFiles.source}|${daemonsOwn.source}`) : deadFiles;
    await laptop.settles(before, WITHIN, apart);
    const [lost] = await askByUdp(alice, "connected", ...ECHO, "?").catch(() => [["", "no such name"]]);
    assert.equal(lost?.[0], "");

    await alice.up();
    const [answer] = await askByUdp(alice, "connected", ...ECHO, "again");
    assert.match(String(answer?.[1]), /^echo-\S+: again$/);
    assert.match((await alice.done(["down"])).stdout, /left: nothing/);
    await laptop.settles(before, WITHIN);
  });
}
