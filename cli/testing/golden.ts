import assert from "node:assert/strict";
import { World, type WorldOptions } from "./run.ts";

const folder = new URL("./golden/", import.meta.url);

/**
 * Compares what people or scripts see of a command line with the file testing/golden/NAME.txt, in a world of its own:
 * `options.answers` is what the daemon answers there. PMZ_WRITE_GOLDEN=1 writes the file.
 */
export async function compareWithGolden(
  name: string,
  line: string,
  options: WorldOptions = {},
): Promise<void> {
  await using world = new World(options);
  const { code, stdout, stderr } = await world.pmz(line);
  const seen = `$ pmz ${line}\n${stdout}-- stderr\n${stderr}-- exit code ${code}\n`.replaceAll(
    world.folder,
    "STATE",
  );
  const file = new URL(`${name.replace(/[^a-z]+/g, "-")}.txt`, folder);
  if (Deno.env.get("PMZ_WRITE_GOLDEN") === "1") await Deno.writeTextFile(file, seen);
  assert.equal(seen, await Deno.readTextFile(file));
}
