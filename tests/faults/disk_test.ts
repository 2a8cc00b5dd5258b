import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import { Stage } from "../e2e/lib/stage.ts";

const STATE = "/home/bob/.local/state/pmz";
const URL = "http://echo.default.svc/";

/** Bob's state folder on a disk of its own that is full. */
async function fullDisk({ laptop }: Stage["world"]): Promise<AsyncDisposable> {
  const root = (script: string) => laptop.output("root", ["sh", "-c", script]);
  await root(
    `mkdir -p ${STATE} && chown -R bob:bob /home/bob/.local && mount -t tmpfs -o size=64k,uid=$(id -u bob),mode=700 none ${STATE}`,
  );
  await root(`dd if=/dev/zero of=${STATE}/fill bs=1k count=100 2>/dev/null || true`);
  return { [Symbol.asyncDispose]: async () => void await root(`umount -l ${STATE}`) };
}

/** Bob's home folder, which nobody may write to. */
async function readOnlyHome({ laptop }: Stage["world"]): Promise<AsyncDisposable> {
  const root = (script: string) => laptop.output("root", ["sh", "-c", script]);
  await root("mount --bind /home/bob /home/bob && mount -o remount,ro,bind /home/bob");
  return { [Symbol.asyncDispose]: async () => void await root("umount -l /home/bob") };
}

const podAnswers = async (bob: Pmz) => /"pod":"echo-/.test(await bob.shell(`curl -sS -m5 ${URL}`));

/** The agent is there, the program unpacked, and no daemon runs. */
async function ready({ bob }: Stage): Promise<void> {
  await bob.up();
  await bob.done(["down"]);
  await until("the daemon is gone", async () => (await bob.run(["status"])).code === 3);
}

Deno.test("with a full disk `pmz up` works; what can't be saved says so, and the laptop is as before after `pmz down`", async () => {
  await using stage = await Stage.set();
  const { bob, world } = stage;
  await ready(stage);
  const before = await world.laptop.snapshot();
  {
    await using _disk = await fullDisk(world);
    await bob.up();
    assert.ok(await podAnswers(bob));
    assert.match((await bob.done(["status"])).stdout, /helper +connected/);
    for (const line of ["dns add www.shop.example echo", "dns allow corp.example"]) {
      const { code, stderr } = await bob.run(line.split(" "));
      assert.notEqual(code, 0);
      assert.match(
        stderr,
        new RegExp(`can.t be saved in ${STATE}/.*\\n.*is the disk full`),
        line,
      );
    }
    assert.doesNotMatch((await bob.done(["dns", "list"])).stdout, /shop\.example/);
    assert.ok(await podAnswers(bob));
    assert.match((await bob.done(["down"])).stdout, /left: nothing/);
    await until("the daemon is gone", async () => (await bob.run(["status"])).code === 3);
  }
  await world.laptop.settles(before, 5_000);
});

Deno.test("with a home folder that may not be written to `pmz up` says so, starts nothing, and works with another folder", async () => {
  await using stage = await Stage.set();
  const { bob, world } = stage;
  await ready(stage);
  const before = await world.laptop.snapshot();
  {
    await using _home = await readOnlyHome(world);
    const { code, stderr } = await bob.run(["up", "--yes"]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`${STATE}\\S* can't be written: Read-only.*\\n.*XDG_STATE_HOME`));
    const elsewhere = { env: { XDG_STATE_HOME: "/tmp/bob-state" }, timeout: 60_000 };
    await bob.done(["up", "--yes"], elsewhere);
    assert.ok(await podAnswers(bob));
    assert.match((await bob.done(["down"], elsewhere)).stdout, /left: nothing/);
    await until("the daemon is gone", async () => (await bob.run(["status"], elsewhere)).code === 3);
    await bob.shell("rm -r /tmp/bob-state");
  }
  await world.laptop.settles(before, 5_000);
});
