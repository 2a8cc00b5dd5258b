import assert from "node:assert/strict";
import { BuildError } from "./command.ts";
import { relocated, sourcesOf, workerFile } from "./sources.ts";
import { root } from "./versions.ts";

async function project(files: Record<string, string>): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(`${path}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

Deno.test("a program's modules, workers and files are found", async () => {
  assert.deepEqual(await sourcesOf(`${root}/build/sample`, "main.ts"), {
    modules: new Set(["main.ts", "parts/shared.ts", "parts/worker.ts"]),
    workers: new Set(["parts/worker.ts"]),
    assets: new Set(["greeting.txt"]),
  });
});

Deno.test("a folder stands for all files in it", async () => {
  await using it = await project({
    "main.ts": `export const files = new URL("./files/", import.meta.url);`,
    "files/one": "1",
    "files/sub/two": "2",
  });
  assert.deepEqual((await sourcesOf(it.path, "main.ts")).assets, new Set(["files/one", "files/sub/two"]));
});

Deno.test("the program's own folder is a base for files by name, not a file", async () => {
  await using it = await project({ "main.ts": `export const base = new URL("./", import.meta.url);` });
  assert.deepEqual((await sourcesOf(it.path, "main.ts")).assets, new Set());
  assert.equal(
    relocated("main.ts", `new URL(".", import.meta.url)`),
    `new URL("./assets/", import.meta.url)`,
  );
});

Deno.test("what would break in the built program is an error of the build", async () => {
  await using it = await project({
    "own_place.ts": `export const here = import.meta.url;`,
    "missing.ts": `export const file = new URL("./nothing.txt", import.meta.url);`,
    "comment.ts": `// import.meta.url is not used here\nexport {};`,
  });
  await assert.rejects(sourcesOf(it.path, "own_place.ts"), BuildError);
  await assert.rejects(sourcesOf(it.path, "missing.ts"), /missing\.ts reads nothing\.txt/);
  assert.equal((await sourcesOf(it.path, "comment.ts")).modules.size, 1);
});

Deno.test("a module's places are those of the built program's one folder", () => {
  const text = `new Worker(new URL("../dns/worker.ts", import.meta.url)); new URL('./x.o',  import.meta.url)`;
  assert.equal(
    relocated("daemon/data/main.ts", text),
    `new Worker(new URL("./worker-daemon-dns-worker.js", import.meta.url)); new URL("./assets/daemon/data/x.o", import.meta.url)`,
  );
  assert.equal(workerFile("daemon/dns/worker.ts"), "worker-daemon-dns-worker.js");
});
