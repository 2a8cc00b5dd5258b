import { BuildError } from "./command.ts";
import { type Architecture, architecture, debianNames } from "./versions.ts";

/** What compiles and links for an architecture. */
export interface Toolchain {
  readonly gcc: string;
  /** Options that lead it to Debian's headers and static libraries of that architecture. */
  readonly options: readonly string[];
  /** The folder of those libraries. */
  readonly libraries: string;
}

/**
 * The machine's own compiler, or Debian's cross compiler with the libraries that `./dev build` has unpacked next to the others.
 * @throws {BuildError} where there are no libraries for a foreign architecture
 */
export function toolchainOf(target: Architecture): Toolchain {
  const triple = `${target}-linux-gnu`;
  if (target === architecture) return { gcc: "gcc", options: [], libraries: `/usr/lib/${triple}` };
  const folder = foreignFolder();
  if (folder === undefined) {
    throw new BuildError(`there are no libraries for ${debianNames[target]}: ./dev build gets them`);
  }
  const libraries = `${folder}/usr/lib/${triple}`;
  const headers = [`${folder}/usr/include`, `${folder}/usr/include/${triple}`];
  return {
    gcc: `${triple.replace("_", "-")}-gcc`,
    options: [...headers.map((one) => `-I${one}`), `-L${libraries}`],
    libraries,
  };
}

/** Where tools/get.sh has unpacked Debian's packages of the other architecture; undefined outside of `./dev`. */
export function foreignFolder(): string | undefined {
  return Deno.env.get("PMZ_FOREIGN");
}
