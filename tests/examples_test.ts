/** The examples in doc comments run. */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);

/** The modules below a folder whose doc comments have an example in TypeScript. */
function* withExamples(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
    if (isDirectory && !/^\.|^(dist|node_modules|tests)$/.test(name)) {
      yield* withExamples(`${folder}${name}/`);
    } else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) {
      const module = `${folder}${name}`;
      if (/^ \* @example\b[^/]*```ts$/m.test(Deno.readTextFileSync(new URL(module, root)))) yield module;
    }
  }
}

Deno.test("the examples in doc comments run", async () => {
  const modules = [...withExamples("./")];
  assert.ok(modules.includes("./async/sleep.ts"), modules.join());
  // Not checked: each example is given all exports of its module, most of which it doesn't use.
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--quiet", "--doc", "--no-check", "--frozen", "--allow-all", ...modules],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  assert.ok(success, text.decode(stdout) + text.decode(stderr));
});
