import assert from "node:assert/strict";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import { clientsOn } from "./lib/clients.ts";
import { Stage } from "./lib/stage.ts";

const ALICE = 1000;

Deno.test("Chromium sees its person's laptop by a domain, and by a cookie once the printed bookmark was clicked; others see their own or the pods", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using programs = await clientsOn(world, world.laptop);
  await using _alices = await answer(world.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
  await using _bobs = await answer(world.other, "bob", { as: "bobs-laptop", http: 8081, tcp: 9100 });
  await using caller = await Caller.start(world);
  await alice.up();
  const intercept = (person: typeof alice, ...how: string[]) =>
    person.done(["intercept", "echo", "8081:http", ...how, "--yes"], { timeout: 300_000 });
  await intercept(alice, "--domain", "alice.shop.example");
  await intercept(otherBob, "--cookie", "user=bob");
  const { stdout, stderr } = await intercept(alice, "--cookie", "user=alice");
  const [, bookmark = ""] = /bookmark on the page: javascript:(.*)/.exec(stdout + stderr) ?? [];
  assert.notEqual(bookmark, "", stdout + stderr);
  const steps = [
    { open: "http://echo.default.svc/" },
    { run: bookmark },
    { again: true },
    { open: "http://alice.shop.example/" },
    { stranger: "http://echo.default.svc/" },
    { stranger: "http://alice.shop.example/" },
    { run: "document.cookie = 'user=bob; path=/'" },
    { open: "http://echo.default.svc/" },
    { run: "document.cookie = 'user=bob; path=/'" },
    { again: true },
  ];
  const script = await Deno.readTextFile(new URL("clients/browser.mjs", import.meta.url));
  const said = await programs.outputAs(ALICE, ["node", "--input-type=module", "-e", script], {
    stdin: JSON.stringify(steps),
    timeout: 60_000,
  });
  const seen = [...said.matchAll(/"pod":\s*"([^"]*)"/g)].map(([, pod = ""]) =>
    pod.replace(/^echo-.*/, "pod")
  );
  const [hers, his] = ["alices-laptop", "bobs-laptop"];
  assert.deepEqual(seen, ["pod", hers, hers, "pod", hers, hers, his], said);
  assert.deepEqual((await caller.who())[0]?.replace(/^echo-.*/, "pod"), "pod");
});
