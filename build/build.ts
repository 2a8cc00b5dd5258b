// Makes dist/pmz, the single file for this machine's architecture: `./dev build [--compile | --pack]`.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { bpfSources, objectOf } from "./bpf_object.ts";
import { bundle } from "./bundle.ts";
import { BuildError, tool } from "./command.ts";
import { buildLibbpf } from "./libbpf.ts";
import { singleFile } from "./single_file.ts";
import { architecture, root } from "./versions.ts";

const tree = `${root}/dist/.parts/program`;
const target = `${root}/dist/pmz`;
const payloads = ["dist/gateway.payload", "dist/node.payload"];
const objects = bpfSources().map(objectOf);

/**
 * By `deno compile`, which downloads its runtime part. Bundled beforehand as for the self-extracting file, so that both
 * have the same program inside.
 */
async function compile(): Promise<void> {
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

/** Makes the file in the way that was asked for, or in the first one that works here. */
async function make(way: string | undefined): Promise<string> {
  if (way === "--pack") return await singleFile(tree, target), "packed with the Deno at hand";
  try {
    return await compile(), "by deno compile";
  } catch (error) {
    if (way === "--compile" || !(error instanceof BuildError)) throw error;
    return await singleFile(tree, target),
      "packed with the Deno at hand: deno compile can't get its runtime here";
  }
}

async function step<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const begun = performance.now();
  const result = await work();
  console.log(
    `${name.padEnd(10)} ${((performance.now() - begun) / 1000).toFixed(1)} s${result ? `  ${result}` : ""}`,
  );
  return result;
}

async function build(way: string | undefined): Promise<void> {
  await Deno.mkdir(`${root}/dist/.parts`, { recursive: true });
  const libbpf = await step("libbpf", buildLibbpf);
  await step("payloads", async () => {
    const options = ["--frozen", "install/payload/build.ts", "--libbpf", `${architecture}=${libbpf}`, "dist"];
    await tool([Deno.execPath(), "run", "--quiet", "--allow-all", ...options]);
  });
  await step("program", async () => {
    const { modules, workers, assets } = await bundle(root, "main.ts", tree, [
      libbpf,
      ...payloads,
      ...objects,
    ]);
    return `${modules.size} modules, ${workers.size} workers, ${assets.size} files`;
  });
  await step("file", () => make(way));
  console.log(`dist/pmz for ${architecture}: ${((await Deno.stat(target)).size / 1e6).toFixed(0)} MB`);
}

const [way] = Deno.args;
if (way !== undefined && !["--pack", "--compile"].includes(way)) {
  console.error("usage: ./dev build [--compile | --pack]");
  Deno.exit(2);
}
try {
  await build(way);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`dev build: ${error.message}`);
  Deno.exit(1);
}
