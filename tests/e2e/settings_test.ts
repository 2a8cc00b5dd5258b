import assert from "node:assert/strict";
import type { ServiceEntry } from "../../wire/control.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";

const FOLDER = "/home/alice/.config/pmz";

/** Gives a person this config file until it is disposed of. */
async function configured(person: Pmz, text: string): Promise<AsyncDisposable> {
  await person.shell(`mkdir -p ${FOLDER} && cat > ${FOLDER}/config.yaml`, { stdin: text });
  return { [Symbol.asyncDispose]: async () => void await person.shell(`rm -r ${FOLDER}`) };
}

async function services(person: Pmz): Promise<readonly ServiceEntry[]> {
  return (await person.json<{ items: readonly ServiceEntry[] }>(["services", "-A"])).items;
}

Deno.test("up takes ranges that are never captured, and names, from the file", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const address = (await world.kubectl(["get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"]))
    .trim();
  await using _config = await configured(
    alice,
    `neverRanges: ["${address}/32"]\nnames: {www.shop.example: echo, gone.shop.example: nosuch}\n`,
  );
  const up = await alice.up();
  assert.match(up.stderr, /warning: the domain gone\.shop\.example of the settings was not added: .*nosuch/);
  assert.match(await alice.shell("curl -sS -m 5 http://www.shop.example/"), /"pod":"echo-/);
  const left = (await services(alice)).find(({ virtual = [] }) =>
    virtual.some((one) => one.address === address)
  );
  assert.match(JSON.stringify(left?.virtual), /never to be captured, by choice/);
  assert.equal((await alice.shell(`ip route get ${address} | grep -c pmz; true`)).trim(), "0");

  const other = await alice.run(["up", "--never-range", "10.99.0.0/16"]);
  assert.equal(other.code, 8, other.stderr);
  assert.match(
    other.stderr,
    /10\.99\.0\.0\/16 can't be left out while pmz is up\n {2}hint: .*pmz down, then pmz up/,
  );
  await alice.done(["dns", "remove", "www.shop.example"]);
});

Deno.test("in a protected context an intercept asks for the Service's name, and a wrong file says its line", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await alice.done(["agent", "deploy"], { timeout: 60_000 });
  {
    await using _config = await configured(alice, "# mine\nprotect: ['on*']\n");
    assert.match((await alice.done(["config", "view"])).stdout, /^protect +on\* +.*config\.yaml:2$/m);
    const script = await alice.run(["intercept", "echo", "18097", "--yes"]);
    assert.equal(script.code, 12, script.stderr);
    assert.match(
      script.stderr,
      /the context one is protected \("on\*"\)\n {2}hint: .*--confirm echo\.default/,
    );
    await using asking = world.laptop.terminal("alice", ["pmz", "intercept", "echo", "18097"]);
    await asking.says(/one is protected\. To intercept there, type the Service's name, echo\.default:/);
    await asking.write("echo\n");
    await asking.says(/to end it: pmz leave echo\.default:80/, 30_000);
    assert.equal((await asking.status()).code, 0);
    await alice.done(["leave", "echo"]);
    await alice.done(["intercept", "echo", "18097", "--confirm", "echo"]);
  }
  await using _config = await configured(alice, "# mine\nprotct: ['on*']\n");
  const wrong = await alice.run(["up"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /config\.yaml:2: protct is not a setting: did you mean protect\?/);
  await alice.done(["down"]);
});
