import { renamedByContent } from "./chunk_names.ts";
import { tool } from "./command.ts";
import { relocated, type Sources, sourcesOf, workerFile } from "./sources.ts";
import { root } from "./versions.ts";

/**
 * Makes of a program a flat folder that runs without its sources, npm or a network: main.js, a file for each worker,
 * what they share, and assets/ with files by their path in the project.
 *
 * @param folder the program's, absolute, without a slash at its end
 * @param entry the name of its main module, in that folder itself, so that all that is made lies in one folder
 * @param target the folder to make; what was in it is deleted
 * @param more files that it reads by names made at run time, from the base `new URL("./", import.meta.url)`
 * @throws {BuildError}
 */
export async function bundle(
  folder: string,
  entry: string,
  target: string,
  more: readonly string[] = [],
): Promise<Sources> {
  const sources = await sourcesOf(folder, entry);
  const scratch = await Deno.makeTempDir({ prefix: "pmz-build-" });
  try {
    for (const module of sources.modules) {
      await put(`${scratch}/${module}`, relocated(module, await Deno.readTextFile(`${folder}/${module}`)));
    }
    for (const name of ["deno.json", "deno.lock"]) {
      await Deno.copyFile(`${root}/${name}`, `${scratch}/${name}`);
    }
    const starts = [`${scratch}/${entry}`];
    for (const worker of sources.workers) {
      const start = `${scratch}/${workerFile(worker).replace(/js$/, "ts")}`;
      await put(start, `import "./${worker}";\n`);
      starts.push(start);
    }
    await Deno.remove(target, { recursive: true }).catch(() => {});
    await Deno.mkdir(target, { recursive: true });
    const options = ["--quiet", "--frozen", "--platform", "deno", "--code-splitting", "--outdir", target];
    await tool([
      Deno.execPath(),
      "bundle",
      "--config",
      `${scratch}/deno.json`,
      ...options,
      ...starts,
    ]);
    await makeSame(target);
    for (const asset of more) sources.assets.add(asset);
    for (const asset of sources.assets) {
      await put(`${target}/assets/${asset}`, await Deno.readFile(`${folder}/${asset}`));
    }
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  return sources;
}

/** Takes away what differs from machine to machine: comments with paths, and the names of chunks, which are hashes of those. */
async function makeSame(folder: string): Promise<void> {
  const files = new Map<string, string>();
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(`${folder}/${name}`);
    files.set(name, text.replace(/^\/\/ (\.\.\/|\/|deno:|file:|npm:).*\n/gm, ""));
    await Deno.remove(`${folder}/${name}`);
  }
  for (const [name, text] of renamedByContent(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
}

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
  if (typeof content === "string") await Deno.writeTextFile(path, content);
  else await Deno.writeFile(path, content);
}
