import { tool } from "./command.ts";
import { toolchainOf } from "./toolchain.ts";
import { type Architecture, architecture, root } from "./versions.ts";

/** Where the one libbpf of pmz is built, for an architecture; not checked in. */
export const libbpfPath = (target: Architecture): string => `ffi/lib/${target}/libpmzbpf.so`;

const shim = "build/libpmzbpf.c";
const archives = ["libbpf.a", "libelf.a", "libz.a"];

/**
 * Links Debian's static libbpf, libelf and zlib into one shared object that needs glibc 2.28 and nothing else, unless
 * it is there and newer than what it is made of. Only libbpf's functions are visible in it.
 *
 * @throws {BuildError} with what gcc said
 */
export async function buildLibbpf(of: Architecture = architecture): Promise<string> {
  const target = libbpfPath(of);
  const { gcc, options, libraries } = toolchainOf(of);
  if (await isCurrent(target, libraries)) return target;
  await Deno.mkdir(`${root}/ffi/lib/${of}`, { recursive: true });
  const link = [
    "-Bsymbolic",
    "--whole-archive",
    "-l:libbpf.a",
    "--no-whole-archive",
    "-l:libelf.a",
    "-l:libz.a",
  ]
    .map((option) => option.startsWith("-l") ? option : `-Wl,${option}`);
  const rest = [
    "-Wl,-z,defs,-z,relro,-z,now,--gc-sections,--build-id=none",
    "-Wl,--exclude-libs,libelf.a:libz.a",
  ];
  await tool([
    gcc,
    ...options,
    "-shared",
    "-fPIC",
    "-O2",
    "-s",
    "-o",
    `${target}.new`,
    shim,
    ...link,
    ...rest,
    "-Wl,-soname,libpmzbpf.so",
  ]);
  await Deno.rename(`${root}/${target}.new`, `${root}/${target}`);
  return target;
}

async function isCurrent(target: string, libraries: string): Promise<boolean> {
  const made = await changed(`${root}/${target}`);
  if (made === undefined) return false;
  const sources = [
    `${root}/${shim}`,
    `${root}/build/libbpf.ts`,
    `${root}/build/toolchain.ts`,
    ...archives.map((name) => `${libraries}/${name}`),
  ];
  return (await Promise.all(sources.map(changed))).every((source) => source !== undefined && source <= made);
}

/** When a file's inode last changed, in milliseconds: packages bring files with old modification times. */
async function changed(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).ctime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

if (import.meta.main) await buildLibbpf();
