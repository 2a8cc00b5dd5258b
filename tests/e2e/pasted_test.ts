import assert from "node:assert/strict";
import type { InterceptEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Stage } from "./lib/stage.ts";

const alices = { as: "alices-laptop", http: 8081, tcp: 9100 };

Deno.test("what is printed as a try works when it is pasted, for every kind of matcher", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _program = await answer(world.laptop, "alice", alices);
  const alice = await stage.up();
  const matchers = [
    ["--header", 'x-user=it\'s "alice" & co'],
    ["--header", "x-debug="],
    ["--header", "x-a=1", "--header", "x-b=2*", "--header", "x-c"],
    ["--cookie", "user=alice", "--cookie", "env=d*"],
    ["--path", "/cart"],
    ["--path", "/a/*/b[1]"],
    ["--method", "PUT"],
    ["--host", "alice.shop.example"],
    ["--host", "*.shop.example"],
    ["--domain", "alice.shop.example", "--path", "=/only"],
    ["--personal"],
    ["--grpc", "shop.v1.Cart/AddItem", "--header", "x-user=alice"],
    ["--grpc", "shop.v1.Cart"],
  ];
  for (const matcher of matchers) {
    const { stdout } = await alice.done(["intercept", "echo", "8081:http", ...matcher, "--yes"], {
      timeout: 300_000,
    });
    const [, line = ""] = /^try it: (.*)$/m.exec(stdout) ?? [];
    const { items } = await alice.json<{ items: InterceptEntry[] }>(["intercept", "list"]);
    const [entry] = items;
    assert.ok(entry);
    // As it was pasted, at a terminal's shell.
    const pasted = await world.laptop.run("alice", ["bash", "-c", `${line} 2>&1`], { timeout: 20_000 });
    assert.match(pasted.stdout, /alices-laptop/, `${line}\n${pasted.stdout}${pasted.stderr}`);
    await alice.done(["leave", entry.id]);
  }
});

Deno.test("one of several intercepts of a port is left, by the id that is printed or by its namespace", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _program = await answer(world.laptop, "alice", alices);
  const alice = await stage.up();
  const ids = async () =>
    (await alice.json<{ items: InterceptEntry[] }>(["intercept", "list"])).items.map(({ id }) => id);
  for (const header of ["x-user=alice", "x-user=bob"]) {
    await alice.done(["intercept", "echo", "8081:http", "--header", header, "--yes"], { timeout: 300_000 });
  }
  await alice.done(["intercept", "echo", "8081:http", "--mine"]);
  await alice.done(["intercept", "echo.other", "8081", "--mine"]);
  const [first = "", second] = await ids();
  assert.deepEqual((await ids()).length, 4);
  await alice.done(["leave", first]);
  assert.deepEqual(await ids(), [second, "echo.default:80/mine", "echo.other:80/mine"]);
  await alice.done(["leave", "echo", "-n", "other"]);
  assert.deepEqual(await ids(), [second, "echo.default:80/mine"]);
  await alice.done(["leave", "echo"]);
  assert.deepEqual(await ids(), []);
});
