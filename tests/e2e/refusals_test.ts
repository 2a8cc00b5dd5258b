import assert from "node:assert/strict";
import { failures } from "../../wire/control.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";

const install = { timeout: 60_000 };

/** Runs what is to fail: its one line of error, and its hint. */
async function fails(person: Pmz, args: string[], code: keyof typeof failures): Promise<string> {
  const ended = await person.run(args, { timeout: 60_000 });
  assert.equal(ended.code, failures[code].exit, `${args.join(" ")}: ${ended.stderr}`);
  const lines = ended.stderr.split("\n");
  const error = lines.findIndex((line) => line.startsWith("error: "));
  assert.ok(error >= 0, ended.stderr);
  assert.doesNotMatch(ended.stderr, /\bat \S+:\d+|undefined|\[object|pmz has a bug/);
  return lines.slice(error).join("\n");
}

Deno.test("what needs a connection says so, and how to get one", async () => {
  await using stage = await Stage.set();
  for (const args of [["services"], ["dns", "list"], ["dns", "add", "a.example", "echo"]]) {
    assert.match(await fails(stage.alice, args, "not-up"), /hint: .*pmz up/);
  }
  assert.equal((await stage.alice.run(["status"])).code, failures["not-up"].exit);
  assert.equal((await stage.alice.run(["leave", "echo"])).code, 0, "there was nothing to do");
});

Deno.test("each thing that doesn't exist is named: context, kubeconfig, namespace's Service, port", async () => {
  await using stage = await Stage.set();
  await stage.alice.done(["agent", "deploy"], install);
  const { alice } = stage;
  assert.match(await fails(alice, ["up", "--context", "nowhere"], "not-found"), /nowhere/);
  assert.match(
    await fails(alice, ["up", "--kubeconfig", "/home/alice/none"], "credentials"),
    /\/home\/alice\/none/,
  );
  assert.match(await fails(alice, ["intercept", "nothing", "8081"], "not-found"), /nothing/);
  assert.match(await fails(alice, ["intercept", "echo.nowhere", "8081"], "not-found"), /nowhere/);
  assert.match(await fails(alice, ["intercept", "echo", "8081:81"], "not-found"), /81/);
  await alice.up("--proxy");
  await fails(alice, ["dns", "add", "a.example", "nothing"], "not-found");
  await fails(alice, ["down", "--context", "nowhere"], "not-up");
});

Deno.test("who may only look at Services is told what is missing", async () => {
  await using stage = await Stage.set();
  await stage.alice.done(["agent", "deploy"], install);
  const carol = ["--kubeconfig", "/home/alice/.kube/carol"];
  const before = await stage.world.laptop.snapshot();
  const said = await fails(stage.alice, ["up", "--proxy", ...carol], "forbidden");
  assert.match(said, /You may not .*pods.* in namespace pmz[^]*kubectl -n pmz create rolebinding .*carol/);
  await fails(stage.alice, ["agent", "deploy", "--force", ...carol], "forbidden");
  await fails(stage.alice, ["intercept", "echo", "8081", ...carol], "forbidden");
  await stage.world.laptop.settles(before, 2_000);
});

Deno.test("an agent that speaks only other versions is replaced by force alone, and one that fits is kept", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  const deploy = ["agent", "deploy", "--component", "gateway"];
  const says = (versions: string) =>
    world.kubectl(
      ["annotate", "-n", "pmz", "deployment/gateway", `pmz.dev/versions=${versions}`, "--overwrite"],
    );
  const said = () =>
    world.kubectl([
      "get",
      "-n",
      "pmz",
      "deployment/gateway",
      "-o",
      "jsonpath={.metadata.annotations.pmz\\.dev/versions}",
    ]);
  await alice.done([...deploy, "--force"], install);
  const own = await said();
  for (
    const [versions, why] of [["tunnel=9-8", /newer than this pmz/], [
      "tunnel=0-0",
      /older than this pmz/,
    ]] as const
  ) {
    await says(versions);
    assert.match(await fails(alice, deploy, "agent"), why);
    assert.match(await fails(alice, ["up", "--proxy", "--yes"], "agent"), /another protocol.*\n.*--force/);
  }
  await says("tunnel=9-1");
  await alice.done(deploy, install);
  assert.equal(await said(), "tunnel=9-1", "nothing was changed in it");
  await alice.up("--proxy");
  await alice.done(["down"]);
  await alice.done([...deploy, "--force"], install);
  assert.equal(await said(), own);
  assert.match((await alice.done(["agent", "status"])).stdout, /gateway +ready .*of this pmz/);
  const more = `${own},lost=1-1`;
  await says(more); // speaks something that this pmz doesn't know
  await alice.done(deploy, install);
  assert.equal(await said(), more);
  await alice.done([...deploy, "--force"], install);
});

Deno.test("an older node agent is updated by deploy, since the new one serves all whom it serves", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  const deploy = ["agent", "deploy", "--component", "node"];
  await alice.done([...deploy, "--force"], install);
  const said = async (): Promise<string> => {
    const daemonSet = await world.kubectl(["get", "-n", "pmz-node", "daemonset/node-agent", "-o", "json"]);
    return JSON.parse(daemonSet).metadata.annotations["pmz.dev/versions"];
  };
  const old = "reversed-tunnel=1-1,rules=1-1";
  const own = await said();
  await world.kubectl(
    ["annotate", "-n", "pmz-node", "daemonset/node-agent", `pmz.dev/versions=${old}`, "--overwrite"],
  );
  await alice.done(deploy, install);
  assert.equal(await said(), own);
  assert.notEqual(own, old);
});

Deno.test("an API server that can't be reached, or takes no such credentials, is no connection", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  const changed = (what: string, config: string) =>
    alice.shell(`cp ~/.kube/config ~/${config}; kubectl --kubeconfig ~/${config} config set-${what}`);
  const before = await world.laptop.snapshot();
  await changed("cluster one --server=https://10.77.255.254:6443", "elsewhere");
  await changed("credentials stranger --token=nobody", "stranger");
  await alice.shell("kubectl --kubeconfig ~/stranger config set-context one --user=stranger");
  try {
    const elsewhere = await fails(
      alice,
      ["up", "--proxy", "--kubeconfig", "/home/alice/elsewhere"],
      "unreachable",
    );
    assert.match(elsewhere, /10\.77\.255\.254/);
    await fails(alice, ["up", "--proxy", "--kubeconfig", "/home/alice/stranger"], "credentials");
  } finally {
    await alice.shell("rm ~/elsewhere ~/stranger");
  }
  await world.laptop.settles(before, 2_000);
});

Deno.test("a port that is taken is somebody's, and stays theirs", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  await alice.done(["agent", "deploy", "--component", "gateway"], install);
  await using taken = world.laptop.spawn("bob", ["python3", "-um", "http.server", "-b", "127.0.0.1", "1090"]);
  await taken.says(/Serving/);
  assert.match(await fails(alice, ["up", "--proxy=1090"], "conflict"), /1090/);
});
