import assert from "node:assert/strict";
import { World } from "./lib/world.ts";

Deno.test("people, pods and laptops are reached, and a laptop that nothing was done to is as it was", async () => {
  await using world = await World.up({ nodes: 2 });
  const { laptop } = world;
  const before = await laptop.snapshot();

  assert.equal(
    await laptop.output("alice", ["sh", "-c", 'echo "$USER $WORD"'], { env: { WORD: "hi" } }),
    "alice hi\n",
  );
  assert.equal((await laptop.run("bob", ["sh", "-c", "exit 3"])).code, 3);
  const inside = await world.inPod("deployment/echo", ["/echo", "--help"]);
  assert.notEqual(inside.stderr + inside.stdout, "");
  assert.match(await world.kubectl(["get", "service", "echo"]), /ClusterIP/);

  await laptop.settles(before, 5_000);
});

Deno.test("a terminal asks alice for her password", async () => {
  await using world = await World.up({ nodes: 2 });
  await using sudo = world.laptop.terminal("alice", ["sudo", "-k", "id", "-un"]);
  await sudo.says(/password for alice/);
  await sudo.write("alice\n");
  await sudo.says(/root/);
  assert.equal((await sudo.status()).code, 0);
});

Deno.test("a difference on a laptop is seen: a rule, a route, a device, a socket, a file, a process", async () => {
  await using world = await World.up({ nodes: 2 });
  const { laptop } = world;
  const before = await laptop.snapshot();
  {
    await using listener = laptop.spawn("bob", [
      "python3",
      "-u",
      "-m",
      "http.server",
      "-b",
      "127.0.0.1",
      "18099",
    ]);
    await listener.says(/Serving/);
    const prepare = `ip rule add uidrange 1001-1001 lookup 77; ip route add local 10.96.3.4 dev lo table 77
      ip tuntap add pmz9 mode tun; touch /home/bob/left-over`;
    await laptop.output("root", ["sh", "-c", prepare]);
    const seen = before.diff(await laptop.snapshot());
    for (
      const line of [
        "rules: ",
        "routes: .*10.96.3.4",
        "links: pmz9",
        "sockets: .*18099",
        "files: .*left-over",
        "processes: bob.*http.server",
      ]
    ) {
      assert.match(seen, new RegExp(`^\\+ ${line}`, "m"));
    }
    await assert.rejects(laptop.settles(before, 100), /is not as it was[^]*pmz9/);
  }
  await laptop.output("root", [
    "sh",
    "-c",
    "ip rule del lookup 77; ip route flush table 77; ip link del pmz9; rm /home/bob/left-over",
  ]);
  await laptop.settles(before, 2_000);
});
