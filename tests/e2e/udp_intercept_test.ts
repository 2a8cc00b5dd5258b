import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { Flow } from "../../wire/flow.ts";
import type { InterceptEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import { udpAnswers } from "./lib/udp_answers.ts";
import { workload } from "./lib/workload.ts";

const local = { as: "on-the-laptop", http: 8081, tcp: 9100, udp: 9101 };
const install = { timeout: 60_000 };

function intercept(person: Pmz, ...args: string[]) {
  return person.done(["intercept", ...args, "--yes"], install);
}

async function entries(person: Pmz): Promise<InterceptEntry[]> {
  return (await person.json<{ items: InterceptEntry[] }>(["intercept", "list"])).items;
}

const isPod = (name: string) => name.startsWith("echo-");

Deno.test("`pmz intercept echo 9101:udp` has a program on the laptop answer a UDP port, for pods of each node", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using near = await Caller.start(world, { node: 1 });
  await using far = await Caller.start(world, { node: 2 });
  assert.ok((await udpAnswers(near, "echo/9001", 3)).every(isPod));

  const { stdout } = await intercept(alice, "echo", "9101:udp");
  assert.match(stdout, /^echo\.default:9001\/udp -> localhost:9101, in 2 of 2 pods$/m);
  for (const caller of [near, far]) {
    assert.deepEqual(await udpAnswers(caller, "echo/9001", 20), Array(20).fill(local.as));
    assert.ok((await caller.who("http://echo/", 3)).every(isPod), "TCP stays the pods'");
  }
  const large = await near.run(
    "head -c 8000 /dev/zero | tr '\\0' x | socat -t3 -b 65000 - UDP4:echo:9001 | wc -c",
  );
  assert.equal(large.stdout.trim(), String(8000 + "on-the-laptop: ".length));

  const [entry] = await entries(alice);
  assert.deepEqual([entry?.id, entry?.port, entry?.protocol, entry?.portName, entry?.problems], [
    "echo.default:9001/udp",
    9001,
    "UDP",
    "udp",
    [],
  ]);
  assert.ok((entry?.connections.total ?? 0) >= 40);
  const { items } = await alice.json<{ items: Flow[] }>(["flows"]);
  const flow = items.find(({ protocol, intercept }) => protocol === "udp" && intercept === entry?.id);
  assert.deepEqual([flow?.kind, flow?.outcome.kind], ["intercepted", "open"]);

  await alice.done(["leave", "echo.default:9001/udp"]);
  for (const caller of [near, far]) {
    assert.ok((await udpAnswers(caller, "echo/9001", 10)).every(isPod));
  }
  assert.deepEqual(await entries(alice), []);
});

Deno.test("the same number of TCP and of UDP are two ports, for two people and for iperf3", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  const port = { port: 5201, targetPort: 5201 };
  await using _pods = await workload(world, {
    name: "iperf",
    container: { command: ["iperf3", "-s"] },
    ports: [{ name: "control", ...port }, { name: "data", protocol: "UDP", ...port }],
  });
  await world.kubectl(["rollout", "status", "deployment/iperf", "--timeout=60s"], { timeout: 70_000 });
  await using caller = await Caller.start(world);
  const measured = async (rate: string) => {
    const ended = await caller.run(`iperf3 -c iperf -u -b ${rate} -l 1200 -t 2 -J`, { timeout: 30_000 });
    return JSON.parse(ended.stdout) as {
      error?: string;
      end?: { sum: { packets: number; lost_packets: number } };
    };
  };
  await using server = world.laptop.spawn("alice", ["iperf3", "-s", "--forceflush"]);
  await server.says(/listening/);
  const { stdout } = await intercept(alice, "iperf", "5201:5201/tcp");
  assert.match(stdout, /^iperf\.default:5201 -> /m);
  await intercept(alice, "iperf", "5201:5201/udp");
  const { error, end } = await measured("1M");
  assert.equal(error, undefined);
  assert.ok((end?.sum.packets ?? 0) > 180, `${end?.sum.packets} datagrams`);
  assert.ok(
    (end?.sum.lost_packets ?? Infinity) <= (end?.sum.packets ?? 0) / 20,
    `${end?.sum.lost_packets} lost`,
  );
  await until(
    "iperf3 has measured",
    () => server.said.includes("datagrams received") || server.said.includes("receiver"),
  );

  await alice.done(["leave", "iperf.default:5201/udp"]);
  assert.deepEqual((await entries(alice)).map(({ id }) => id), ["iperf.default:5201"]);
  await intercept(otherBob, "iperf", "5201:5201/udp");
  const taken = await alice.run(["intercept", "iperf", "5201:data", "--yes"], install);
  assert.match(taken.stderr, /iperf\.default:5201\/udp is intercepted by /);
  await otherBob.done(["leave", "--all"]);
});

Deno.test("--from takes the datagrams of some callers, and the others' go to the pods", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _program = await answer(world.laptop, "alice", local);
  await using mine = await Caller.start(world, { node: 1, labels: { who: "alice" } });
  await using other = await Caller.start(world, { node: 2 });
  const { stdout } = await intercept(alice, "echo", "9101:9001", "--from", "default/who=alice");
  assert.match(stdout, /^echo\.default:9001\/udp\/[a-z]{8} -> localhost:9101, in 2 of 2 pods$/m);
  assert.doesNotMatch(stdout, /curl/);
  await until(
    "the caller is known",
    async () => (await udpAnswers(mine, "echo/9001", 1))[0] === local.as,
    10_000,
  );
  assert.deepEqual(await udpAnswers(mine, "echo/9001", 10), Array(10).fill(local.as));
  const others = await udpAnswers(other, "echo/9001", 20);
  assert.ok(others.every(isPod), others.join());
  await alice.done(["leave", "echo"]);
  assert.deepEqual(await entries(alice), []);
});

Deno.test("what of a UDP port can't be taken is refused, and a program that isn't there is said", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using caller = await Caller.start(world);
  await alice.up();
  for (
    const [args, why] of [
      [["--header", "x-user=alice"], /of whose datagrams only the callers can be told apart.*use --from/s],
      [["--personal"], /only the callers can be told apart/],
      [["--mirror"], /whose datagrams can't be mirrored/],
      [["--mine"], /--mine takes connections of TCP ports alone/],
    ] as const
  ) {
    const { code, stderr } = await alice.run(["intercept", "echo", "9101:udp", ...args, "--yes"], install);
    assert.equal(code, 2, stderr);
    assert.match(stderr, why);
  }
  const { stderr } = await intercept(alice, "echo", "9101:udp");
  assert.match(stderr, /nothing listens at localhost:9101 yet/);
  assert.match(stderr, /what callers send is dropped/);
  assert.deepEqual(await udpAnswers(caller, "echo/9001", 1), [""]);
  const { items } = await alice.json<{ items: Flow[] }>(["flows", "--failed"]);
  assert.ok(
    items.some(({ outcome }) =>
      outcome.kind === "refused" && /no program gets datagrams at/.test(outcome.details)
    ),
    JSON.stringify(items),
  );
  await using _program = await answer(world.laptop, "alice", local);
  await until(
    "the program answers",
    async () => (await udpAnswers(caller, "echo/9001", 1))[0] === local.as,
    10_000,
  );
});
