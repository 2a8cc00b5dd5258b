const file = new URL("../tools/versions", import.meta.url);

/** Tools and their versions, as tools/versions has them: `VERSIONS.get("DENO_VERSION")`. */
export const VERSIONS: ReadonlyMap<string, string> = new Map(
  Deno.readTextFileSync(file).split("\n").flatMap((line) => {
    const [, name, value] = /^([A-Z0-9_]+)=(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value] as const];
  }),
);

/** As `uname -m` has it. */
export type Architecture = "x86_64" | "aarch64";

/** Both, by what Debian and Kubernetes call them; files of pmz are named so, too. */
export const debianNames: Readonly<Record<Architecture, "amd64" | "arm64">> = {
  x86_64: "amd64",
  aarch64: "arm64",
};
export const architectures: readonly Architecture[] = ["x86_64", "aarch64"];

/** This machine's. */
export const architecture: Architecture = Deno.build.arch;

/** The project's folder, without a slash at its end. */
export const root = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
