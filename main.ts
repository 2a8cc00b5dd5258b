/**
 * pmz: one program whose roles are commands. The only place that hands parts of one room to another; what a role
 * doesn't need isn't loaded.
 *
 * | first argument | role |
 * | --- | --- |
 * | daemon | the user's daemon, in the background |
 * | helper | the root helper, behind sudo |
 * | anything else | the command line |
 */
import { failures } from "./wire/control.ts";
import type { HelperGrant } from "./wire/helper.ts";
import { RELEASE } from "./wire/version.ts";

/** The project's folder; in the built file the folder of its assets. */
const base = new URL("./", import.meta.url);

/** What starts this program again: the single file, or Deno with the sources. */
function self(): string[] {
  const packed = Deno.env.get("PMZ_SELF");
  if (packed) return [packed];
  if (Deno.build.standalone) return [Deno.execPath()];
  return [Deno.execPath(), "run", "--quiet", "--allow-all", Deno.mainModule];
}

async function daemon(): Promise<number> {
  const { runDaemon } = await import("./daemon/main.ts");
  const { stateFolderPath } = await import("./daemon/state_folder.ts");
  const { agentInstaller } = await import("./agent/install.ts");
  const { builtPayloads } = await import("./agent/payload/source.ts");
  await runDaemon({
    stateFolder: stateFolderPath(Deno.env),
    installer: agentInstaller(builtPayloads(new URL("dist/", base))),
    startWorker: (role) => {
      const module = role === "data"
        ? new URL("./daemon/data/main.ts", import.meta.url)
        : new URL("./daemon/names/main.ts", import.meta.url);
      return new Worker(module, { type: "module", name: role });
    },
  });
  return 0;
}

async function helper(args: readonly string[]): Promise<number> {
  const { bpfObject, libbpfBytes } = await import("./ffi/assets.ts");
  const { helperMain } = await import("./helper/main.ts");
  return await helperMain(args, {
    libbpf: () => libbpfBytes(base),
    bpf: (name) => bpfObject(base, name),
    self: self(),
  });
}

async function commandLine(args: readonly string[]): Promise<number> {
  const { runCli } = await import("./cli/cli.ts");
  const { processConsole } = await import("./cli/console.ts");
  const { stateFolderPath } = await import("./daemon/state_folder.ts");
  const stateFolder = stateFolderPath(Deno.env);
  return await runCli(args, {
    ...processConsole(),
    release: RELEASE,
    stateFolder,
    env: Deno.env,
    startDaemon: async () => {
      const { spawnDaemon } = await import("./daemon/spawn.ts");
      await spawnDaemon([...self(), "daemon"], stateFolder);
    },
    helperCommand: (grant: HelperGrant) => [...self(), "helper", "start", JSON.stringify(grant)],
    manifests: async (components, options) => {
      const { agentInstaller } = await import("./agent/install.ts");
      const { builtPayloads } = await import("./agent/payload/source.ts");
      return await agentInstaller(builtPayloads(new URL("dist/", base))).manifests(components, options);
    },
    leftovers: async () => {
      const { leftovers } = await import("./daemon/leftovers.ts");
      return await leftovers();
    },
  });
}

if (import.meta.main) {
  const [role, ...rest] = Deno.args;
  try {
    Deno.exit(
      role === "daemon"
        ? await daemon()
        : role === "helper"
        ? await helper(rest)
        : await commandLine(Deno.args),
    );
  } catch (error) {
    await Deno.stderr.write(
      new TextEncoder().encode(`pmz: ${error instanceof Error ? error.message : error}\n`),
    );
    Deno.exit(failures.internal.exit);
  }
}
