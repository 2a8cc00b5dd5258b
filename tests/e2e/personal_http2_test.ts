import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { http2Programs } from "./lib/http2_programs.ts";
import { MachinePod } from "./lib/machine_pod.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import type { World } from "./lib/world.ts";

const install = { timeout: 300_000 };
const service = "greeter";

/** A Service with a port of nghttpd and one of grpcio; deleted when it is disposed of. */
async function serve(world: World): Promise<AsyncDisposable> {
  await world.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: service, namespace: "default" },
    spec: {
      selector: { app: service },
      ports: [
        { name: "http2", port: 80, targetPort: 8080 },
        { name: "grpc", port: 50051 },
      ],
    },
  });
  return {
    [Symbol.asyncDispose]: async () =>
      void await world.kubectl(["delete", "service", service, "--ignore-not-found"]),
  };
}

/** Waits until the cluster's DNS and kube-proxy lead a caller to the Service: gRPC asks for a name again after 30 seconds. */
async function isServed(caller: MachinePod, port: number): Promise<void> {
  const connect = ["bash", "-c", `exec 3<>/dev/tcp/${service}/${port}`];
  await until("the Service is served", async () => (await caller.run(connect)).code === 0, 60_000);
}

async function intercept(person: Pmz, local: string, ...args: string[]): Promise<string> {
  return (await person.done(["intercept", service, local, ...args, "--yes"], install)).stdout;
}

/** What a client of peer.py's says of all calls that one server has answered. */
const answeredBy = (name: string) => ({
  unary: name,
  bytes: 100_001 + name.length,
  counted: [`${name} 0`, `${name} 49`, 50],
  echoed: [name, name, name],
  failed: `FAILED_PRECONDITION: ${name} won't`,
  trailers: { "x-served-by": name, "x-bytes-bin": "00ff" },
});

Deno.test("gRPC calls of one connection go to two people's laptops by metadata and by authority, all others to the pod", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  const programs = await http2Programs();
  await using _service = await serve(world);
  await using pod = await MachinePod.start(world, { app: service });
  await using caller = await MachinePod.start(world);
  await using served = pod.spawn([...programs.grpcio, "server", "pod", "50051"]);
  await using alices = world.laptop.spawn("alice", [...programs.grpcio, "server", "alice", "8091"]);
  await using bobs = world.other.spawn("bob", [...programs.grpcio, "server", "bob", "8091"]);
  for (const server of [served, alices, bobs]) await server.says(/listening/);
  await isServed(caller, 50051);

  const target = `${service}:50051`;
  const clients = [[...programs.grpcio, "client"], programs.grpcJs];
  const [grpcio = []] = clients;
  const answers = async (client: readonly string[], authority: string, ...users: string[]) => {
    const { stdout, stderr } = await caller.run([...client, target, authority, ...users], {
      timeout: 120_000,
    });
    assert.equal(stdout.split("\n").length - 1, users.length, stderr);
    return stdout.trim().split("\n").map((line) => JSON.parse(line));
  };
  assert.deepEqual(await answers(grpcio, "-", "-"), [answeredBy("pod")]);

  await intercept(alice, "8091:grpc", "--header", "x-user=alice");
  await intercept(otherBob, "8091:grpc", "--header", "x-user=bob");
  await intercept(otherBob, "8091:grpc", "--host", "bob.example");
  for (const client of clients) {
    assert.deepEqual(
      await answers(client, "-", "-", "alice", "bob", "alice", "carol"),
      ["pod", "alice", "bob", "alice", "pod"].map(answeredBy),
    );
    assert.deepEqual(await answers(client, "bob.example", "-", "carol"), ["bob", "bob"].map(answeredBy));
  }
  await until(
    "the counts have come",
    async () =>
      /header x-user: alice .* 16 of [0-9]+ /m.test((await alice.done(["intercept", "list"])).stdout),
    10_000,
  );

  const holds = (user: string) => caller.spawn([...programs.grpcio, "hold", target, user]);
  await using hers = holds("alice");
  await using others = holds("-");
  await hers.says(/first alice first/);
  await others.says(/first pod first/);
  alices.kill("SIGKILL");
  await hers.says(/ended [A-Z]+/);
  assert.deepEqual(await answers(grpcio, "-", "-", "bob"), ["pod", "bob"].map(answeredBy));
  await alice.done(["leave", "--all"]);
  assert.deepEqual(await answers(grpcio, "-", "alice", "bob"), ["pod", "bob"].map(answeredBy));
  assert.doesNotMatch(others.said, /ended/, "the pod's stream isn't hers");
});

Deno.test("HTTP/2 by prior knowledge is told apart for curl and h2load, while a laptop is lost and rules come and go", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const programs = await http2Programs();
  await using _service = await serve(world);
  await using pod = await MachinePod.start(world, { app: service });
  await using caller = await MachinePod.start(world);
  await using served = pod.spawn(await programs.nghttpd("pod", 8080));
  await using alices = world.laptop.spawn("alice", await programs.nghttpd("alice", 8092));
  for (const server of [served, alices]) await server.says(/listen/);
  await isServed(caller, 80);

  const who = async (...args: string[]) => {
    const curl = ["curl", "-s", "-m", "5", "--http2-prior-knowledge", ...args, `http://${service}/who`];
    return (await caller.run(curl)).stdout.trim();
  };
  const load = (...args: string[]) =>
    caller.spawn(["h2load", "-n", "20000", "-c", "4", "-m", "20", ...args, `http://${service}/who`]);
  const succeeded = /requests: 20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored/;

  assert.equal(await who(), "pod");
  const said = await intercept(alice, "8092:http2", "--header", "x-user=alice");
  assert.deepEqual([await who("-H", "x-user: alice"), await who(), await who("-H", "x-user: bob")], [
    "alice",
    "pod",
    "pod",
  ]);
  const [, curl = ""] = /^try it[^:]*: (curl .*)$/m.exec(said) ?? [];
  assert.match((await caller.run(["sh", "-c", `${curl}who`])).stdout, /alice/, said);
  {
    await using hers = load("-H", "x-user: alice");
    await using others = load();
    await hers.says(succeeded, 60_000);
    await others.says(succeeded, 60_000);
  }
  {
    await using others = load();
    await others.says(/progress: 10% done/);
    Deno.kill(await alice.daemon(), "SIGKILL");
    await until("hers go to the pod", async () => await who("-H", "x-user: alice") === "pod", 10_000);
    await others.says(succeeded, 60_000);
  }
  for (let i = 0; i < 3; i++) {
    await intercept(alice, "8092:http2", "--header", `x-user=alice${i}`);
    assert.equal(await who("-H", `x-user: alice${i}`), "alice");
    await alice.done(["leave", "--all"]);
    assert.equal(await who("-H", `x-user: alice${i}`), "pod");
  }
});
