import assert from "node:assert/strict";
import { World } from "./testing/run.ts";

/** What a shell offers at the end of a line, without options and commands. */
async function offered(world: World, line: string): Promise<string[]> {
  const { code, stdout } = await world.pmz(`completion fish ${line}`);
  assert.equal(code, 0, line);
  return stdout.split("\n").map((text) => text.split("\t")[0] ?? "").filter((text) =>
    /^(?:.*[.:=].*|dev|staging|shop|default|http|80|echo|cart)$/.test(text) && !text.endsWith("=")
  );
}

Deno.test("a shell completes what the daemon knows: Services, ports, intercepts, contexts, namespaces, domains", async () => {
  await using world = new World();
  const lines: [line: string, suggested: string[]][] = [
    ["leave e", ["echo.default:80"]],
    ["leave x", []],
    ["intercept c", ["cart.shop"]],
    ["intercept -n default e", ["echo"]],
    ["intercept -n shop e", []],
    ["intercept echo 8081:h", ["8081:http"]],
    ["intercept echo.default 8081:8", ["8081:80"]],
    ["intercept cart 8081:h", []],
    ["explain echo.default:h", ["echo.default:http"]],
    ["down --context d", ["dev"]],
    ["up --context s", ["staging"]],
    ["up --context=s", ["--context=staging"]],
    ["services -n s", ["shop"]],
    ["dns remove w", ["www.shop.example"]],
    ["dns add new.example e", ["echo.default"]],
  ];
  for (const [line, suggested] of lines) assert.deepEqual(await offered(world, line), suggested, line);
});

Deno.test("without a daemon a shell completes contexts of the kubeconfig, commands and options", async () => {
  await using world = new World({ running: false });
  const { code, stdout } = await world.pmz("completion fish lea");
  assert.equal(code, 0);
  assert.match(stdout, /^leave\t/m);
  assert.deepEqual(await offered(world, "up --context d"), ["dev"]);
  assert.deepEqual(await offered(world, "intercept e"), []);
});

Deno.test("a kubeconfig that can't be read is no error to a shell", async () => {
  await using world = new World({ parts: { contexts: () => Promise.reject(new Error("it is broken")) } });
  const { code, stderr } = await world.pmz("completion fish up --context d");
  assert.deepEqual([code, stderr], [0, ""]);
});
