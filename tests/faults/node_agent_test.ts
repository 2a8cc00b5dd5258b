// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { answer } from "../e2e/lib/answerer.ts";
import { Caller } from "../e2e/lib/caller.ts";
import { clusterSnapshot } from "../e2e/lib/cluster_snapshot.ts";
import { Stage } from "../e2e/lib/stage.ts";
import { pollUntil } from "../../async/poll_until.ts";
import { signalContainers } from "./signal_containers.ts";

const local = { as: "on-the-laptop", http: 8081, tcp: 9100 };
const install = { timeout: 60_000 };

/** Asks until one answers that `fits`; how many milliseconds that took, and who answered before. */
async function until(caller: Caller, fits: (pod: string) => boolean, within: number) {
  const begun = performance.now();
  const before: string[] = [];
  for (;;) {
    const [pod = ""] = await caller.who();
    const took = Math.round(performance.now() - begun);
    if (fits(pod)) return { took, before };
    before.push(pod);
    assert.ok(took < within, `${took} ms later it's still "${pod}"`);
  }
}

/** Waits until both pods' requests come to the laptop: an earlier test's relay may be on its way back. */
async function untilTaken(caller: Caller): Promise<void> {
  const isTaken = async () => (await caller.who("http://echo/", 20)).every(theLaptop);
  assert.ok(await pollUntil(isTaken, { timeoutMs: 30_000, everyMs: 200 }), "a pod isn't intercepted");
}

const aPod = (pod: string) => pod.startsWith("echo-");
const theLaptop = (pod: string) => pod === local.as;

for (const container of ["relay", "attach"] as const) {
  Deno.test(`kill -9 of ${container} on every node loses no Service, and the intercept comes back by itself`, async () => {
    await using stage = await Stage.set();
    const { world, alice } = stage;
    await using _program = await answer(world.laptop, "alice", local);
    await using caller = await Caller.start(world);
    await alice.done(["agent", "deploy"], install);
    const before = await clusterSnapshot(world);
    await alice.done(["intercept", "echo", "8081", "--yes"], install);
    await untilTaken(caller);

    await signalContainers(world, container, "KILL");
    const first = await until(caller, (pod) => aPod(pod) || theLaptop(pod), 3_000);
    console.log(`answered after ${first.took} ms, ${first.before.length} requests were not`);
    const again = await until(caller, theLaptop, 60_000);
    console.log(`intercepted again after ${first.took + again.took} ms`);
    assert.ok(again.before.every(aPod), `meanwhile: ${[...new Set(again.before)]}`);

    await alice.done(["leave", "--all"]);
    await until(caller, aPod, 2_000);
    await alice.done(["down"]);
    assert.equal(before.diff(await clusterSnapshot(world)), "");
  });
}

Deno.test("while relay hangs (SIGSTOP) pods answer within two seconds, and once it goes on the laptop again", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "8081", "--yes"], install);
  await untilTaken(caller);
  await signalContainers(world, "relay", "STOP");
  try {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const { took } = await until(caller, aPod, 1_500);
    console.log(`a pod answered ${took} ms after the two seconds`);
  } finally {
    await signalContainers(world, "relay", "CONT");
  }
  const { took } = await until(caller, theLaptop, 60_000);
  console.log(`intercepted again ${took} ms after it goes on`);
});

Deno.test("a tunnel that broke under an open connection is logged by both ends, with node, reason and how many were reset", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await alice.done(["agent", "deploy", "--force"], { timeout: 120_000 });
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "8081", "--yes"], install);
  await untilTaken(caller);
  await using _open = world.spawnInPod(caller.name, [
    "bash",
    "-c",
    "exec 3<>/dev/tcp/echo/80; printf 'GET / HTTP/1.1\\r\\nHost: echo\\r\\n' >&3; cat <&3",
  ]);
  const broke = (text: string, message: string) =>
    text.split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line) as { message: string; node?: string; count?: number; details?: string }];
      } catch {
        return [];
      }
    }).find((line) => line.message.includes(message) && (line.count ?? 0) > 0);
  const logged = async (read: () => Promise<string>, message: string) =>
    await pollUntil(async () => broke(await read(), message), { timeoutMs: 30_000, everyMs: 500 });
  await until(caller, theLaptop, 5_000); // the open connection is there by now
  const before = (await alice.shell("cat ~/.local/state/pmz/daemon.log")).length; // earlier tests' lines too
  await signalContainers(world, "relay", "STOP");
  try {
    const here = await logged(
      async () => (await alice.shell("cat ~/.local/state/pmz/daemon.log")).slice(before),
      "the tunnel to a node agent broke",
    );
    assert.match(String(here?.node), /^node-/);
    assert.match(String(here?.details), /no answer to a PING within 7 s/);
  } finally {
    await signalContainers(world, "relay", "CONT");
  }
  const relays = [
    "logs",
    "-n",
    "pmz-node",
    "-l",
    "app.kubernetes.io/component=node",
    "-c",
    "relay",
    "--tail=-1",
  ];
  const there = await logged(() => world.kubectl(relays), "a laptop's tunnel broke");
  assert.match(String(there?.node), /^node-/);
});

Deno.test("while attach hangs the laptop goes on answering, and leaving gives the Service back all the same", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "8081", "--yes"], install);
  await untilTaken(caller);
  await signalContainers(world, "attach", "STOP");
  try {
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.deepEqual(await caller.who("http://echo/", 10), Array(10).fill(local.as));
    await alice.run(["leave", "--all"]);
    const { took } = await until(caller, aPod, 5_000);
    console.log(`a pod answered ${took} ms after leaving`);
  } finally {
    await signalContainers(world, "attach", "CONT");
  }
});

Deno.test("a laptop that was away for a moment resets nobody who has connected to a pod meanwhile", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["agent", "deploy", "--force"], { timeout: 120_000 });
  await alice.done(["intercept", "echo", "9100:tcp", "--yes"], install);
  // kubectl runs on the other laptop as long as this one's cable is out.
  const inCaller = (script: string) => ["kubectl", "exec", caller.name, "--", "bash", "-c", script];
  const who = async () =>
    (await world.other.run("alice", inCaller("nc -N -w3 echo 9000 </dev/null | head -1"))).stdout.trim();
  const answered = async (fits: (name: string) => boolean, within: number) => {
    const found = await pollUntil(async () => fits(await who()), { timeoutMs: within, everyMs: 200 });
    assert.ok(found, "nobody who fits answers");
  };
  await answered(theLaptop, 10_000);
  await world.laptop.cut();
  const kept = await (async () => {
    try {
      await answered(aPod, 20_000);
      const script = `exec 3<>/dev/tcp/echo/9000; read -r -u3 who; echo "by $who"
        for i in {1..90}; do echo ping >&3; read -r -t5 -u3 back || break; echo "alive $i"; sleep 0.5; done; echo broken`;
      const kept = world.other.spawn("alice", inCaller(script));
      await kept.says(/by echo-[^]*alive 3/);
      return kept;
    } finally {
      await world.laptop.restore();
    }
  })();
  await using open = kept;
  await answered(theLaptop, 60_000);
  const [, before = "0"] = /[^]*alive (\d+)/.exec(open.said) ?? [];
  await open.says(new RegExp(`alive ${Number(before) + 8}\\b`), 15_000);
  assert.doesNotMatch(open.said, /broken/);
});

Deno.test("a laptop that falls silent gives the Service back within ten seconds, and has it again when it's back", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "8081", "--yes"], install);
  // kubectl runs on the other laptop as long as this one's cable is out.
  const ask = async () => {
    const command = ["kubectl", "exec", caller.name, "--", "curl", "-s", "-m2", "http://echo/"];
    return /"pod":"([^"]*)"/.exec((await world.other.run("alice", command)).stdout)?.[1] ?? "";
  };
  const asked = async (fits: (pod: string) => boolean, within: number) => {
    const begun = performance.now();
    while (!fits(await ask())) assert.ok(performance.now() - begun < within, "nobody who fits answers");
    return Math.round(performance.now() - begun);
  };
  await world.laptop.cut();
  try {
    console.log(`a pod answered ${await asked(aPod, 13_000)} ms after the cable was pulled`); // 10 s, and a request
  } finally {
    await world.laptop.restore();
  }
  console.log(`intercepted again ${await asked(theLaptop, 60_000)} ms after it was plugged in`);
});

Deno.test("a node with as many addresses as thousands of Services give it in IPVS mode tells probes from callers", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await alice.done(["agent", "deploy", "--component", "node", "--force"], install);
  const device = "ipvs-test";
  const addresses = `printf "addr add fd77::%x/128 dev ${device} nodad\\n" $(seq 6000)`;
  const ip = ["bash", "-c", `(echo link add ${device} type bridge; ${addresses}) | ip -batch -`];
  const gone = ["ip", "link", "del", device];
  const nodes = [1, 2];
  try {
    for (const node of nodes) assert.equal((await world.onNode(node, ip)).code, 0);
    await using _program = await answer(world.laptop, "alice", local);
    await using caller = await Caller.start(world);
    await alice.done(["intercept", "echo", "8081", "--yes"], install);
    await new Promise((resolve) => setTimeout(resolve, 11_000)); // the node's addresses are read again
    assert.deepEqual(await caller.who("http://echo/", 20), Array(20).fill(local.as));
    const logs = await world.kubectl(
      ["logs", "-n", "pmz-node", "daemonset/node-agent", "-c", "attach", "--tail=-1"],
    );
    assert.doesNotMatch(logs, /ended the connection|can't send a message/);
  } finally {
    for (const node of nodes) await world.onNode(node, gone);
  }
});

Deno.test("connections that are open when their pods are deleted are reset: no caller is left waiting", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "9100:tcp", "--yes"], install);
  // Each says who answered, and how the wait for another line ended: 1 is a reset, more than 128 that nothing came in 20 s.
  // (Until kube-proxies have heard of new pods, some don't get through: they try again.)
  const connect = "exec {f}<>/dev/tcp/echo/9000 && read -t 3 -r -u $f who";
  const one =
    `until ${connect}; do sleep 0.2; done 2>/dev/null; echo >>/tmp/held; read -t 20 -r -u $f more; echo "$who $?"`;
  for (let round = 0; round < 3; round++) {
    await caller.run(": >/tmp/held");
    const held = caller.run(`for i in {1..12}; do (${one}) & done; wait`, { timeout: 60_000 });
    const { code } = await caller.run(
      "for i in {1..100}; do [ $(wc -l </tmp/held) = 12 ] && exit; sleep 0.2; done; exit 1",
    );
    assert.equal(code, 0, "all are connected");
    await world.kubectl(["delete", "pod", "-l", "app=echo", "-n", "default"], { timeout: 40_000 });
    assert.deepEqual((await held).stdout.trim().split("\n"), Array(12).fill(`${local.as} 1`));
    await world.kubectl(["rollout", "status", "deployment/echo", "--timeout=60s"], { timeout: 70_000 });
  }
});

Deno.test("no request reaches a pod past the intercept while the Deployment rolls", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "8081", "--yes"], install);
  await world.kubectl(["rollout", "restart", "deployment/echo"]);
  const rolled = world.kubectl(["rollout", "status", "deployment/echo", "--timeout=60s"], {
    timeout: 70_000,
  });
  let over = false;
  rolled.then(() => over = true, () => over = true);
  const seen = new Map<string, number>();
  do {
    for (const pod of await caller.who("http://echo/", 20)) seen.set(pod, (seen.get(pod) ?? 0) + 1);
  } while (!over);
  await rolled;
  // "" is a request that the rollout lost: it does so without pmz, too, to pods whose address has just gone.
  console.log("answered by", Object.fromEntries(seen));
  assert.deepEqual([...seen.keys()].filter(aPod), []);
});

Deno.test("a cluster that loses its API server for a moment keeps the intercept", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "echo", "8081", "--yes"], install);
  await world.restart("apiserver");
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const { took } = await until(caller, theLaptop, 30_000);
  console.log(`intercepted again ${3_000 + took} ms after`);
});
