import { tool } from "./command.ts";
import { architecture, root, VERSIONS } from "./versions.ts";

const clang = `clang-${VERSIONS.get("CLANG_VERSION")}`;
const strip = `llvm-strip-${VERSIONS.get("CLANG_VERSION")}`;

/** Every BPF source, by path relative to the project. */
export function bpfSources(): string[] {
  const names = [...Deno.readDirSync(`${root}/bpf`)].map(({ name }) => name);
  return names.filter((name) => name.endsWith(".bpf.c")).map((name) => `bpf/${name}`).sort();
}

/** Where the object of a BPF source is checked in. */
export const objectOf = (source: string): string => source.replace(/\.c$/, ".o");

/** Whether this machine has the one clang whose objects are checked in: another gives other bytes. */
export async function pinnedClang(): Promise<boolean> {
  try {
    await new Deno.Command(clang, { args: ["--version"], stdout: "null" }).output();
    return true;
  } catch {
    return false;
  }
}

/**
 * Compiles a BPF source. The same source gives the same bytes in whatever folder it lies: debug information is left out
 * but for BTF, which the kernel and libbpf read.
 *
 * @throws {BuildError} with what clang said
 */
export async function compileBpf(source: string, target: string): Promise<void> {
  const flags = ["-O2", "-g", "-Wall", "-Werror", "-target", "bpf"];
  const places = [
    `-ffile-prefix-map=${root}=.`,
    "-fdebug-compilation-dir=.",
    "-I",
    `/usr/include/${architecture}-linux-gnu`,
  ];
  await tool([clang, ...flags, ...places, "-c", source, "-o", target], {
    remedy: "./dev bpf gets it on Debian 12",
  });
  await tool([strip, "--strip-debug", target], { remedy: "./dev bpf gets it on Debian 12" });
}
