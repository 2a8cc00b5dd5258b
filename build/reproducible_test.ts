import assert from "node:assert/strict";
import { tool } from "./command.ts";
import { foreignFolder } from "./toolchain.ts";
import { architecture, debianNames, root } from "./versions.ts";

/** How a machine differs from another without being another. */
interface Surroundings {
  readonly TZ: string;
  readonly LC_ALL: string;
  readonly umask: string;
  /** The modification time of all sources. */
  readonly changed: Date;
}

/** Builds the sources in a folder of their own; answers the digests of what is made. */
async function built(folder: string, { TZ, LC_ALL, umask, changed }: Surroundings): Promise<string[]> {
  const sources = await tool(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  for (const path of sources.split("\0").filter((one) => one !== "" && !/^(tests|docs)\//.test(one))) {
    await Deno.mkdir(`${folder}/${path}`.replace(/[^/]*$/, ""), { recursive: true });
    try {
      await Deno.copyFile(`${root}/${path}`, `${folder}/${path}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // deleted, and not committed yet
      throw error;
    }
    await Deno.utime(`${folder}/${path}`, changed, changed);
  }
  await Deno.mkdir(`${folder}/dist/.parts`, { recursive: true });
  const script = `umask ${umask}; cd "$0"; exec "$1" run -A --quiet --frozen build/build.ts --pack`;
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-ec", script, folder, Deno.execPath()],
    env: { TZ, LC_ALL },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const files = [`pmz-linux-${debianNames[architecture]}`, "pmz", "gateway.payload", "node.payload"];
  const sums = await tool(["sha256sum", ...files.map((name) => `${folder}/dist/${name}`)]);
  return sums.trimEnd().split("\n").map((line) => line.replace(`${folder}/`, ""));
}

/** Deflating Deno takes longer than all else: the second build takes the first one's. */
async function takeDeflated(from: string, to: string): Promise<void> {
  await Deno.mkdir(`${to}/dist/.parts`, { recursive: true });
  for await (const { name } of Deno.readDir(`${from}/dist/.parts`)) {
    if (name.endsWith(".deflated")) {
      await Deno.copyFile(`${from}/dist/.parts/${name}`, `${to}/dist/.parts/${name}`);
    }
  }
}

Deno.test({
  name:
    "the same sources give the same file, in another folder, at another time, with another umask and zone",
  ignore: foreignFolder() === undefined, // ./dev test has the compiler for the other architecture
  fn: async () => {
    const one = await Deno.makeTempDir({ prefix: "pmz-one-" });
    const other = await Deno.makeTempDir({ prefix: "pmz-another-folder-" });
    try {
      const first = await built(one, {
        TZ: "UTC",
        LC_ALL: "C",
        umask: "022",
        changed: new Date("2001-02-03T04:05:06Z"),
      });
      await takeDeflated(one, other);
      const second = await built(other, {
        TZ: "Pacific/Auckland",
        LC_ALL: "C.UTF-8",
        umask: "077",
        changed: new Date("2024-11-12T13:14:15Z"),
      });
      assert.deepEqual(second, first);
    } finally {
      for (const folder of [one, other]) await Deno.remove(folder, { recursive: true });
    }
  },
});
