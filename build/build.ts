// Makes the single file: `./dev build [--arch amd64 | --arch arm64] [--compile | --pack]`. For this machine's architecture it is
// dist/pmz, too.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { bpfSources, objectOf } from "./bpf_object.ts";
import { bundle } from "./bundle.ts";
import { BuildError, tool } from "./command.ts";
import { buildLibbpf, libbpfPath } from "./libbpf.ts";
import { singleFile } from "./single_file.ts";
import { type Architecture, architecture, architectures, debianNames, root } from "./versions.ts";

/** What is asked for. */
interface Wanted {
  readonly of: Architecture;
  readonly way: "--pack" | "--compile" | undefined;
}

const payloads = ["dist/gateway.payload", "dist/node.payload"];
const objects = bpfSources().map(objectOf);

/**
 * By `deno compile`, which downloads its runtime part. Bundled beforehand as for the self-extracting file, so that both
 * have the same program inside.
 */
async function compile(tree: string, target: string): Promise<void> {
  const options = [
    "--quiet",
    "--no-check",
    "--no-code-cache",
    "--allow-all",
    "--unstable-net",
    "--no-prompt",
    "--no-config",
    "--no-lock",
  ];
  const files = ["--include", tree, "--output", `${target}.new`, `${tree}/main.js`];
  await tool([Deno.execPath(), "compile", ...options, ...files], { timeout: 120_000 });
  await Deno.rename(`${target}.new`, target);
}

/** Makes the file in the way that was asked for, or in the first one that works here; another architecture's by packing. */
async function make({ of, way }: Wanted, tree: string, target: string): Promise<string> {
  if (way === "--pack" || of !== architecture) return await singleFile(tree, target, of), "packed with Deno";
  try {
    return await compile(tree, target), "by deno compile";
  } catch (error) {
    if (way === "--compile" || !(error instanceof BuildError)) throw error;
    return await singleFile(tree, target), "packed with Deno: deno compile can't get its runtime here";
  }
}

/** Gives a file a second name, in place of what had that name. */
async function link(path: string, name: string): Promise<void> {
  await Deno.remove(`${name}.new`).catch(() => {});
  await Deno.link(path, `${name}.new`);
  await Deno.rename(`${name}.new`, name);
}

async function step<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const begun = performance.now();
  const result = await work();
  const says = typeof result === "string" ? `  ${result}` : "";
  console.log(`${name.padEnd(10)} ${((performance.now() - begun) / 1000).toFixed(1)} s${says}`);
  return result;
}

async function build(wanted: Wanted): Promise<void> {
  const { of } = wanted;
  const parts = `${root}/dist/.parts`, tree = `${parts}/program-${debianNames[of]}`;
  const target = `${root}/dist/pmz-linux-${debianNames[of]}`;
  await Deno.mkdir(parts, { recursive: true });
  // Nodes may be of either architecture, whatever the laptop is.
  const libbpf = await step("libbpf", () => Promise.all(architectures.map(buildLibbpf)));
  await step("payloads", async () => {
    const libraries = architectures.flatMap((each, i) => ["--libbpf", `${each}=${libbpf[i]}`]);
    const options = ["--frozen", "install/payload/build.ts", ...libraries, "dist"];
    await tool([Deno.execPath(), "run", "--quiet", "--allow-all", ...options]);
  });
  await step("program", async () => {
    const { modules, workers, assets } = await bundle(root, "main.ts", tree, [
      libbpfPath(of),
      ...payloads,
      ...objects,
    ]);
    return `${modules.size} modules, ${workers.size} workers, ${assets.size} files`;
  });
  await step("file", () => make(wanted, tree, target));
  if (of === architecture) await link(target, `${root}/dist/pmz`);
  console.log(`${target.slice(root.length + 1)}: ${((await Deno.stat(target)).size / 1e6).toFixed(0)} MB`);
}

/** @returns undefined for what isn't a command line of this */
function parse(args: readonly string[]): Wanted | undefined {
  let of: Architecture | undefined = architecture;
  let way: Wanted["way"];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--pack" || arg === "--compile") way = arg;
    else if (arg === "--arch") {
      const name = rest.shift();
      of = architectures.find((one) => debianNames[one] === name);
    } else return undefined;
  }
  return of === undefined || (way === "--compile" && of !== architecture) ? undefined : { of, way };
}

const wanted = parse(Deno.args);
if (!wanted) {
  console.error("usage: ./dev build [--arch amd64 | --arch arm64] [--compile | --pack]");
  Deno.exit(2);
}
try {
  await build(wanted);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`dev build: ${error.message}`);
  Deno.exit(1);
}
