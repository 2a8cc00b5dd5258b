import assert from "node:assert/strict";
import { kindOf } from "./live_suggestions.ts";
import { World } from "./testing/run.ts";

Deno.test("a shell completes what the daemon knows: Services, intercepts, contexts, namespaces, domains", async () => {
  await using world = new World();
  const lines: [line: string, suggested: string[]][] = [
    ["leave e", ["echo.default:80"]],
    ["leave x", []],
    ["intercept c", ["cart.shop"]],
    ["intercept -n shop e", ["echo.default"]],
    ["down --context d", ["dev"]],
    ["services -n s", ["shop"]],
    ["dns remove w", ["www.shop.example"]],
    ["dns add new.example e", ["echo.default"]],
  ];
  for (const [line, suggested] of lines) {
    const { code, stdout } = await world.pmz(`completion bash ${line}`);
    assert.equal(code, 0, line);
    assert.deepEqual(
      stdout.split("\n").filter((text) => /\./.test(text) || /^(dev|shop)$/.test(text)),
      suggested,
      line,
    );
  }
});

Deno.test("without a daemon a shell completes commands and options as ever", async () => {
  await using world = new World({ running: false });
  const { code, stdout } = await world.pmz("completion fish lea");
  assert.equal(code, 0);
  assert.match(stdout, /^leave\t/m);
});

Deno.test("a word is known by what stands before it, whatever options are in between", () => {
  assert.equal(kindOf(["explain"]), "service");
  assert.equal(kindOf(["leave"]), "intercept");
  assert.equal(kindOf(["leave", "--context", "dev"]), "intercept");
  assert.equal(kindOf(["leave", "echo"]), undefined);
  assert.equal(kindOf(["intercept", "echo"]), undefined);
  assert.equal(kindOf(["dns", "add"]), undefined);
  assert.equal(kindOf(["up", "-n"]), "namespace");
  assert.equal(kindOf([]), undefined);
});

Deno.test("run and env are followed by a Service, an option's value by nothing that the daemon knows", () => {
  assert.equal(kindOf(["run"]), "service");
  assert.equal(kindOf(["env", "-n", "shop"]), "service");
  assert.equal(kindOf(["run", "--intercept", "8081"]), "service");
  assert.equal(kindOf(["run", "echo"]), undefined);
});
