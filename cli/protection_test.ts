import assert from "node:assert/strict";
import fc from "fast-check";
import { matches } from "./protection.ts";
import { World, type WorldOptions } from "./testing/run.ts";

const protectedWorld = (options: WorldOptions = {}) =>
  new World({ ...options, env: { PMZ_PROTECT: "*prod*,d*v" } }); // the fake daemon's context is dev

const intercepted = ({ daemon }: World) => daemon.asked.some(({ request }) => request === "POST /intercepts");

Deno.test("in a protected context an intercept asks for the Service's name", async () => {
  for (const typed of ["echo", "echo.default"]) {
    await using world = protectedWorld({ typed: [typed] });
    const { code, stderr } = await world.pmz("intercept echo 8081 --yes");
    assert.equal(code, 0, stderr);
    assert.match(stderr, /dev is protected\. To intercept there, type the Service's name, echo\.default:/);
  }
});

Deno.test("anything else intercepts nothing", async () => {
  for (const typed of ["y", "yes", "other", ""]) {
    await using world = protectedWorld({ typed: [typed] });
    const { code, stderr } = await world.pmz("intercept echo 8081 --yes");
    assert.equal(code, 12);
    assert.match(stderr, /nothing was intercepted: the context dev is protected \("d\*v"\)/);
    assert.ok(!intercepted(world));
  }
});

Deno.test("without a terminal the name is confirmed beforehand", async () => {
  await using world = protectedWorld();
  const asked = await world.pmz("intercept echo 8081 --yes");
  assert.equal(asked.code, 12);
  assert.match(asked.stderr, /hint: to agree beforehand: --confirm echo\.default/);
  assert.equal((await world.pmz("intercept echo 8081 --confirm other")).code, 12);
  assert.equal((await world.pmz("intercept echo 8081 --confirm echo.shop")).code, 12);
  assert.ok(!intercepted(world));
  assert.equal((await world.pmz("intercept echo 8081 --confirm echo")).code, 0);
  assert.equal((await world.pmz("intercept echo 8081 --confirm echo.default")).code, 0);
});

Deno.test("other contexts aren't asked for, and --confirm does no harm there", async () => {
  await using world = new World({ env: { PMZ_PROTECT: "*prod*" } });
  assert.equal((await world.pmz("intercept echo 8081")).code, 0);
  assert.equal((await world.pmz("intercept echo 8081 --confirm echo")).code, 0);
});

Deno.test("a star stands for any characters, as in a regular expression", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", ".") });
  const globs = fc.string({ unit: fc.constantFrom("a", "b", ".", "*") });
  fc.assert(fc.property(globs, letters, (pattern, name) => {
    const expected = new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`).test(name);
    assert.equal(matches(pattern, name), expected);
  }));
});
