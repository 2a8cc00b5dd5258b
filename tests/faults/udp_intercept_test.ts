// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { answer } from "../e2e/lib/answerer.ts";
import { Caller } from "../e2e/lib/caller.ts";
import type { Running } from "../e2e/lib/running.ts";
import { Stage } from "../e2e/lib/stage.ts";
import { signalContainers } from "./signal_containers.ts";

const local = { as: "on-the-laptop", http: 8081, tcp: 9100, udp: 9101 };
const install = { timeout: 60_000 };

/** A caller with one socket that asks again and again, as a game or a StatsD client does. */
const ASKS = `
  exec 3<>/dev/udp/echo/9001
  while :; do
    echo question >&3
    timeout 1 dd bs=65536 count=1 status=none <&3 || echo none
    sleep 0.1
  done`;

/** Waits until the socket is answered by the laptop or by a pod, from now on; says after how many milliseconds. */
async function answeredBy(asking: Running, who: "laptop" | "pod", within: number): Promise<number> {
  const begun = performance.now();
  const before = asking.said.length;
  const pattern = who === "laptop" ? /on-the-laptop: question/ : /echo-\S+: question/;
  const isAnswered = () => Promise.resolve(pattern.test(asking.said.slice(before)));
  assert.ok(
    await pollUntil(isAnswered, { timeoutMs: within, everyMs: 50 }),
    `not answered by the ${who} in ${within} ms:\n${asking.said.slice(before)}`,
  );
  return Math.round(performance.now() - begun);
}

Deno.test("a socket whose datagrams go to the laptop is answered by the pods when anything on the way fails, and by the laptop again", async (t) => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  // Other pods, if there are any: the kubelet waits longer and longer before it starts a container that was killed before.
  await world.kubectl(["delete", "pods", "-n", "pmz-node", "--all"], { timeout: 60_000 });
  await alice.done(["agent", "deploy"], { timeout: 120_000 });
  await alice.done(["intercept", "echo", "9101:udp", "--yes"], install);
  // kubectl runs on the other laptop, since this one's cable is pulled.
  await using asking = world.other.spawn("alice", ["kubectl", "exec", caller.name, "--", "bash", "-c", ASKS]);
  await answeredBy(asking, "laptop", 30_000);
  const back = async () =>
    console.log(`the laptop again after ${await answeredBy(asking, "laptop", 60_000)} ms`);
  const gone = async (within: number) =>
    console.log(`a pod after ${await answeredBy(asking, "pod", within)} ms`);

  await t.step("kill -9 of relay on every node", async () => {
    await signalContainers(world, "relay", "KILL");
    await gone(5_000);
    await back();
  });
  await t.step("relay hangs: within its two seconds", async () => {
    await signalContainers(world, "relay", "STOP");
    try {
      await gone(6_000);
    } finally {
      await signalContainers(world, "relay", "CONT");
    }
    await back();
  });
  await t.step("kill -9 of attach on every node", async () => {
    await signalContainers(world, "attach", "KILL");
    await gone(5_000);
    await back();
  });
  await t.step("the daemon hangs: within the ten seconds of its tunnel", async () => {
    const pid = await alice.daemon();
    await alice.laptop.output("root", ["kill", "-STOP", String(pid)]);
    try {
      await gone(15_000);
    } finally {
      await alice.laptop.output("root", ["kill", "-CONT", String(pid)]);
    }
    await back();
  });
  await t.step("the laptop is unplugged: likewise", async () => {
    await world.laptop.cut();
    try {
      await gone(15_000);
    } finally {
      await world.laptop.restore();
    }
    await back();
  });
  await t.step("kill -9 of the daemon: at once", async () => {
    await alice.laptop.output("root", ["kill", "-KILL", String(await alice.daemon())]);
    await gone(5_000);
  });
});
