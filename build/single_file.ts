import { deflateRawSync } from "node:zlib";
import { tool } from "./command.ts";
import { pack, type Packed } from "./pack.ts";
import { root } from "./versions.ts";

/** Where intermediate results are kept: what they are made of is in their names. */
const kept = `${root}/dist/.parts`;

/** Compiles the launcher, static, so that it runs on any Linux and heeds no LD_ variable. */
async function launcher(): Promise<Uint8Array> {
  const target = `${kept}/launcher`;
  const folder = "build/launcher";
  const sources = ["main.c", "unpack.c", "blake2b.c"].map((name) => `${folder}/${name}`);
  await tool([
    "gcc",
    "-static",
    "-O3",
    "-s",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-o",
    target,
    ...sources,
    "-l:libz.a",
  ]);
  return await Deno.readFile(target);
}

/** The Deno that runs this, and what deflating made of it the last time. */
async function deno(): Promise<Packed> {
  const path = Deno.execPath();
  const bytes = await Deno.readFile(path);
  const keep = `${kept}/deno-${Deno.version.deno}-${bytes.length}.deflated`;
  const [made, from] = await Promise.all([Deno.stat(keep).catch(() => undefined), Deno.stat(path)]);
  if (made?.mtime && from.ctime && made.mtime > from.ctime) {
    return { name: "deno", bytes, deflated: await Deno.readFile(keep) };
  }
  const deflated = deflateRawSync(bytes, { level: 9 });
  await Deno.writeFile(keep, deflated);
  return { name: "deno", bytes, deflated };
}

/**
 * Packs a bundled program and the Deno that runs this into one file that unpacks itself.
 *
 * @param folder what {@linkcode bundle} made
 * @param target the file to make
 * @throws {BuildError}
 */
export async function singleFile(folder: string, target: string): Promise<void> {
  await Deno.mkdir(kept, { recursive: true });
  const names = files(folder).sort();
  const packed = names.map((name) => ({ name, bytes: Deno.readFileSync(`${folder}/${name}`) }));
  await Deno.writeFile(`${target}.new`, pack(await launcher(), [await deno(), ...packed]), { mode: 0o755 });
  await Deno.rename(`${target}.new`, target);
}

function files(folder: string, under = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${under}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? files(folder, `${under}${name}/`) : [`${under}${name}`]
  );
}
