import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { InterceptEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import { workload } from "./lib/workload.ts";

const install = { timeout: 60_000 };

const intercept = (person: Pmz, ...args: string[]) => person.done(["intercept", ...args, "--yes"], install);

async function entryOf(person: Pmz): Promise<InterceptEntry> {
  const { items } = await person.json<{ items: InterceptEntry[] }>(["intercept", "list"]);
  const [entry] = items;
  assert.ok(entry);
  return entry;
}

/** A program of alice's on one address, which answers every connection with "MARK", or one connection alone. */
async function program(person: Pmz, address: string, port: number, isOnce = false) {
  const script = `
import socket, sys
server = socket.socket(socket.AF_INET6 if ":" in "${address}" else socket.AF_INET)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("${address}", ${port})); server.listen()
print("listens", flush=True)
while True:
    connection, caller = server.accept()
    if ${isOnce ? "True" : "False"}: server.close()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nMARK")
    connection.close()
    if ${isOnce ? "True" : "False"}: break
`;
  const running = person.laptop.spawn(person.person, ["python3", "-c", script]);
  await running.says(/listens/);
  return running;
}

const ask = async (caller: Caller, url: string) => (await caller.run(`curl -s -m5 ${url}`)).stdout;

Deno.test("a bare port is a program on ::1 as much as one on 127.0.0.1", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using caller = await Caller.start(world);
  for (const address of ["::1", "127.0.0.1"]) {
    await using _program = await program(alice, address, 8081);
    const { stdout, stderr } = await intercept(alice, "echo", "8081");
    assert.match(stdout, /^echo\.default:80 -> localhost:8081, in 2 of 2 pods$/m);
    assert.doesNotMatch(stderr, /nothing listens/);
    assert.equal(await ask(caller, "http://echo/"), "MARK", address);
    await alice.done(["leave", "echo"]);
  }
});

Deno.test("a program that takes one connection keeps it for a caller, and list says when nothing listens any more", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using caller = await Caller.start(world);
  await using _once = await program(alice, "127.0.0.1", 8081, true);
  const { stderr } = await intercept(alice, "echo", "8081");
  assert.doesNotMatch(stderr, /nothing listens/);
  assert.equal((await entryOf(alice)).silentSince, undefined);
  assert.equal(await ask(caller, "http://echo/"), "MARK");

  await until(
    "it is seen that nothing listens",
    async () => (await entryOf(alice)).silentSince !== undefined,
  );
  for (const command of [["intercept", "list"], ["status"]]) {
    assert.match(
      (await alice.done(command)).stderr,
      /echo\.default:80: nothing listens at localhost:8081, for .* now/,
      command.join(" "),
    );
  }
  const doctor = await alice.run(["doctor", "intercepts"]);
  assert.match(
    doctor.stdout,
    /echo\.default:80: nothing listens at localhost:8081 since .*\n.*pmz leave echo\.default:80/,
  );
  await using _again = await program(alice, "127.0.0.1", 8081);
  await until("the next program is seen", async () => (await entryOf(alice)).silentSince === undefined);
});

Deno.test("of a workload that crashes it is said at once who doesn't arrive, and who does arrives", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _crash = await workload(world, { name: "crash", container: { command: ["false"] } });
  const pod = async () => {
    const { items } = await world.get("pods", "-l", "app=crash") as {
      items: { status: { podIP?: string; containerStatuses?: { restartCount: number }[] } }[];
    };
    return items[0]?.status;
  };
  await until("it has crashed", async () => ((await pod())?.containerStatuses?.[0]?.restartCount ?? 0) > 0);
  await using _program = await program(alice, "127.0.0.1", 8081);
  const { stdout, stderr, ms } = await intercept(alice, "crash", "8081");
  assert.match(stdout, /in 1 of 1 pods/);
  assert.match(
    stderr,
    /none of its pods is ready \(crash-[^:]+: [A-Za-z]+\).*only connections to a pod's own address arrive/,
  );
  assert.ok(ms < 15_000, `took ${ms} ms`);
  assert.match((await alice.done(["intercept", "list"])).stderr, /none of its pods is ready/);
  await using caller = await Caller.start(world);
  assert.equal(await ask(caller, `http://${(await pod())?.podIP}:8080/`), "MARK");
});

Deno.test("a workload whose pods don't run yet is taken when they do", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _waiting = await workload(world, {
    name: "waiting",
    container: { command: ["sleep", "infinity"], resources: { requests: { cpu: "1000" } } },
  });
  await until(
    "the pod is there",
    async () => ((await world.get("pods", "-l", "app=waiting")) as { items: unknown[] }).items.length > 0,
  );
  await using _program = await program(alice, "127.0.0.1", 8081);
  const { stderr, ms } = await intercept(alice, "waiting", "8081");
  assert.match(
    stderr,
    /none of its pods runs yet \(waiting-[^:]+: Unschedulable\): nothing arrives until one does/,
  );
  assert.ok(ms < 15_000, `took ${ms} ms`);
});

Deno.test("a second Service over the same pods' port is refused at once, with what to leave first", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _workload = await workload(world, {
    name: "twin",
    container: { command: ["sleep", "infinity"] },
    services: ["twin", "twin-canary"],
  });
  await using _program = await answer(world.laptop, "alice", { as: "alice", http: 8081, tcp: 9100 });
  await intercept(alice, "twin", "8081");
  const { code, stderr, ms } = await alice.run(["intercept", "twin-canary", "8081", "--yes"], install);
  assert.equal(code, 8, stderr);
  assert.match(stderr, /leads to the same port of the same pods as twin\.default:80/);
  assert.match(stderr, /hint: .*pmz leave twin\.default:80 first/);
  assert.ok(ms < 10_000, `took ${ms} ms`);
});
