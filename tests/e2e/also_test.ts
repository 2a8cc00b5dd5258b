import assert from "node:assert/strict";
import type { Status } from "../../wire/control.ts";
import { askByUdp } from "./lib/datagrams.ts";
import type { Person } from "./lib/laptop.ts";
import { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";

const NAME = "echo.default.svc";
const UDP_PORT = 9001;

Deno.test("an account that was named is inside by name and by address, by TCP and UDP, and others stay outside", async (t) => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const before = await laptop.snapshot();
  const ip = await stage.world.kubectl(["get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"]);
  const get = (person: Person, url: string) => laptop.run(person, ["curl", "-sS", "-m3", url]);
  const askUdp = (person: Person, host: string) =>
    askByUdp(new Pmz(laptop, person), "connected", host, String(UDP_PORT), "hello");

  const { stdout, stderr } = await stage.alice.up("--also", "root");
  assert.match(stderr, /root helper: .*, for your programs, and those of root$/m);
  assert.match(stdout, /^inside: your programs, and those of root$/m);

  await t.step("root, and what sudo runs, by TCP", async () => {
    for (const url of [`http://${NAME}/`, "http://echo.default/", `http://${ip}/`]) {
      for (const person of ["root", "alice"] as const) {
        const { code, stdout, stderr } = await get(person, url);
        assert.equal(code, 0, `${person}, ${url}: ${stderr}`);
        assert.match(stdout, /"pod":"echo-/);
      }
    }
    const sudo = await laptop.run(
      "alice",
      ["sudo", "-S", "-p", "", "curl", "-sS", "-m3", `http://${NAME}/`],
      {
        stdin: "alice\n",
      },
    );
    assert.match(sudo.stdout, /"pod":"echo-/, sudo.stderr);
  });
  await t.step("by UDP", async () => {
    for (const host of [NAME, ip]) {
      const [[from, said] = ["", ""]] = await askUdp("root", host);
      assert.equal(from, `${ip}:${UDP_PORT}`);
      assert.match(String(said), /^echo-\S+: hello$/);
    }
  });
  await t.step("a port that isn't served is refused at once", async () => {
    assert.equal((await get("root", `http://${ip}:81/`)).code, 7);
  });
  await t.step("the root account's other names are answered as before", async () => {
    const named = await laptop.output("root", ["getent", "ahostsv4", "internet.test"]);
    assert.match(named, /^\d+\.\d+\.\d+\.\d+ /);
  });
  await t.step("another account stays outside", async () => {
    assert.equal((await get("bob", `http://${NAME}/`)).code, 6);
    assert.notEqual((await get("bob", `http://${ip}/`)).code, 0);
  });
  await t.step("status and explain say who is inside", async () => {
    assert.match((await stage.alice.done(["status"])).stdout, /^inside +your programs, and those of root$/m);
    const { helper } = await stage.alice.json<Status>(["status"]);
    assert.deepEqual(helper.state === "connected" && helper.also, ["root"]);
    const { stdout } = await stage.alice.done(["explain", NAME]);
    assert.match(stdout, /^address +\S+ is captured, for your programs, and those of root$/m);
  });
  await t.step("what is inside is fixed while pmz is up", async () => {
    assert.equal((await stage.alice.run(["up", "--also", "root"])).code, 0, "again: it is what it is");
    const { code, stderr } = await stage.alice.run(["up", "--also", "bob"]);
    assert.notEqual(code, 0);
    assert.match(stderr, /account bob can't come inside while pmz is up\n.*pmz down, then pmz up --also bob/);
    const unknown = await stage.alice.run(["up", "--also", "no-such-account"]);
    assert.match(unknown.stderr, /this machine has no account no-such-account/);
  });
  await t.step("the account's own pmz says whose it is in", async () => {
    const { code, stderr } = await stage.bob.run(["up", "--yes", "--also", "root"], { timeout: 60_000 });
    assert.notEqual(code, 0);
    assert.match(stderr, /account 0 is inside of the pmz of account 1000/);
  });
  await stage.bob.run(["down"]);
  await stage.alice.done(["down"]);
  assert.notEqual((await get("root", `http://${ip}/`)).code, 0);
  await laptop.settles(before, 5_000);
});

Deno.test("an account isn't remembered", async () => {
  await using stage = await Stage.set();
  await stage.alice.up("--also", "root");
  await stage.alice.done(["down"]);
  const { stdout } = await stage.alice.up();
  assert.match(stdout, /^inside: your programs alone \(to have those of sudo inside: pmz up --also root\)$/m);
  assert.equal((await stage.world.laptop.run("root", ["curl", "-s", "-m2", `http://${NAME}/`])).code, 6);
});
