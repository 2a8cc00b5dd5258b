/**
 * Builds the payloads from source. `deno run -A install/payload/build.ts [--libbpf ARCHITECTURE=FILE]... FOLDER` writes
 * FOLDER/gateway.payload and, with a libbpf, FOLDER/node.payload. The same sources give the same bytes.
 */
import type { Component } from "../../wire/installer.ts";
import {
  AGENT_FILE,
  type Architecture,
  type Files,
  INTERCEPT_FILE,
  libbpfFile,
  pack,
  type Payload,
} from "../../wire/payload.ts";

/** The files of a node agent's payload besides its code. */
export interface Inputs {
  /** Paths of libbpf (with libelf and zlib inside), by the nodes' architectures. */
  readonly libbpf: Partial<Readonly<Record<Architecture, string>>>;
  /** Path of the compiled intercept.bpf.c; the checked-in one by default. */
  readonly intercept?: string;
}

const entries: Readonly<Record<Component, URL>> = {
  gateway: new URL("../../agent/gateway_entry.ts", import.meta.url),
  node: new URL("../../agent/node_entry.ts", import.meta.url),
};
const interceptObject = new URL("../../bpf/intercept.bpf.o", import.meta.url);

/**
 * Builds a component's payload. It works only in Deno itself, not in a compiled program.
 * @throws when bundling fails, or a file is missing.
 */
export async function buildPayload(component: Component, inputs: Inputs = { libbpf: {} }): Promise<Payload> {
  const code = await bundle(entries[component]);
  return await pack({ [AGENT_FILE]: code, ...component === "node" ? await nodeFiles(inputs) : {} });
}

async function nodeFiles({ libbpf, intercept }: Inputs): Promise<Files> {
  const libraries = Object.entries(libbpf) as [Architecture, string][];
  if (libraries.length === 0) {
    throw new TypeError(
      "the node agent needs a libbpf for at least one architecture; `./dev build` makes it",
    );
  }
  const files: Record<string, Uint8Array<ArrayBuffer>> = {
    [INTERCEPT_FILE]: await Deno.readFile(intercept ?? interceptObject),
  };
  for (const [architecture, path] of libraries) files[libbpfFile(architecture)] = await Deno.readFile(path);
  return files;
}

/** Bundles a component's code. Minifying removes comments that name paths of the building machine. */
async function bundle(entry: URL): Promise<Uint8Array<ArrayBuffer>> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "deno", "--minify", entry.pathname],
    // npm packages are resolved by the project's lock file.
    cwd: new URL("../../", import.meta.url),
    stdin: "null",
  }).output();
  if (!success || stdout.length === 0) {
    throw new Error(`deno bundle failed on the agents: ${new TextDecoder().decode(stderr).trim()}`);
  }
  return stdout;
}

if (import.meta.main) {
  const libbpf: Record<string, string> = {};
  const args = [...Deno.args];
  while (args[0] === "--libbpf") {
    const [, pair = ""] = args.splice(0, 2);
    const [architecture = "", path = ""] = pair.split("=");
    libbpf[architecture] = path;
  }
  const [folder] = args;
  if (!folder) throw new TypeError("usage: build.ts [--libbpf ARCHITECTURE=FILE]... FOLDER");
  await Deno.mkdir(folder, { recursive: true });
  const components: Component[] = Object.keys(libbpf).length > 0 ? ["gateway", "node"] : ["gateway"];
  for (const component of components) {
    const { packed } = await buildPayload(component, { libbpf });
    await Deno.writeFile(`${folder}/${component}.payload`, packed);
  }
}
