import { deflateRawSync } from "node:zlib";
import { BuildError, tool } from "./command.ts";
import { pack, type Packed } from "./pack.ts";
import { toolchainOf } from "./toolchain.ts";
import { type Architecture, architecture, debianNames, root } from "./versions.ts";

/** Where intermediate results are kept: what they are made of is in their names. */
const kept = `${root}/dist/.parts`;

/** Compiles the launcher, static, so that it runs on any Linux and heeds no LD_ variable. */
async function launcher(of: Architecture): Promise<Uint8Array> {
  const target = `${kept}/launcher-${debianNames[of]}`;
  const { gcc, options } = toolchainOf(of);
  const folder = "build/launcher";
  const sources = ["main.c", "unpack.c", "blake2b.c"].map((name) => `${folder}/${name}`);
  await tool([
    gcc,
    ...options,
    "-static",
    "-O3",
    "-s",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,--build-id=none",
    "-o",
    target,
    ...sources,
    "-l:libz.a",
  ]);
  return await Deno.readFile(target);
}

/** The Deno that runs this, or the same release for the other architecture, and what deflating made of it the last time. */
async function deno(of: Architecture): Promise<Packed> {
  const path = denoOf(of);
  const bytes = await Deno.readFile(path);
  const keep = `${kept}/deno-${Deno.version.deno}-${debianNames[of]}-${bytes.length}.deflated`;
  const [made, from] = await Promise.all([Deno.stat(keep).catch(() => undefined), Deno.stat(path)]);
  if (made?.mtime && from.ctime && made.mtime > from.ctime) {
    return { name: "deno", bytes, deflated: await Deno.readFile(keep) };
  }
  const deflated = deflateRawSync(bytes, { level: 9 });
  await Deno.writeFile(keep, deflated);
  return { name: "deno", bytes, deflated };
}

function denoOf(of: Architecture): string {
  if (of === architecture) return Deno.execPath();
  const path = Deno.env.get("PMZ_FOREIGN_DENO");
  if (path !== undefined) return path;
  throw new BuildError(
    `there is no Deno for ${debianNames[of]}: ./dev build --arch ${debianNames[of]} gets it`,
  );
}

/**
 * Packs a bundled program and Deno into one file that unpacks itself.
 *
 * @param folder what {@linkcode bundle} made
 * @param target the file to make
 * @param of the architecture that it is for
 * @throws {BuildError}
 */
export async function singleFile(
  folder: string,
  target: string,
  of: Architecture = architecture,
): Promise<void> {
  await Deno.mkdir(kept, { recursive: true });
  const names = files(folder).sort();
  const packed = names.map((name) => ({ name, bytes: Deno.readFileSync(`${folder}/${name}`) }));
  await Deno.writeFile(`${target}.new`, pack(await launcher(of), [await deno(of), ...packed]), {
    mode: 0o755,
  });
  await Deno.rename(`${target}.new`, target);
}

function files(folder: string, under = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${under}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? files(folder, `${under}${name}/`) : [`${under}${name}`]
  );
}
