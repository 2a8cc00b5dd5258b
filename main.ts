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
import type { DoctorParts } from "./checks/doctor.ts";
import type { CliParts } from "./cli/cli.ts";
import type { ReportParts } from "./report/collect.ts";
import type { HelperAssets } from "./helper/host_resources.ts";
import { grantArguments, type HelperReady } from "./wire/helper.ts";
import { ownEnvironment } from "./kube/config/command_environment.ts";
import { failures } from "./wire/control.ts";
import { RELEASE } from "./wire/version.ts";

/** The project's folder; in the built file the folder of its assets. */
const base = new URL("./", import.meta.url);

/** What starts this program again: the single file, or Deno with the sources. */
function self(): string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  // The launcher's word (build/launcher/): it takes away what was there of that name.
  const packed = Deno.env.get("PMZ_SELF");
  if (packed) return [packed];
  return [Deno.execPath(), "run", "--quiet", "--allow-all", Deno.mainModule];
}

/** The single file that was started; undefined where it's the sources. */
function ownFile(): string | undefined {
  return Deno.build.standalone ? Deno.execPath() : Deno.env.get("PMZ_SELF");
}

async function daemon(): Promise<number> {
  const { runDaemon } = await import("./daemon/main.ts");
  const { AgentInstaller } = await import("./install/installer.ts");
  const { proxyVariables } = await import("./kube/config/server.ts");
  const { trustOnlyGiven } = await import("./kube/client/trust.ts");
  const { builtPayloads } = await import("./install/payload/source.ts");
  // Deno's fetch takes a proxy of its process's environment by itself. Requests go by the environment of the command that asked.
  for (const name of proxyVariables) Deno.env.delete(name);
  trustOnlyGiven();
  await runDaemon({
    env: Deno.env,
    // deno-lint-ignore no-console -- the one line that its starter waits for
    onStartup: (startup) => console.log(JSON.stringify(startup)),
    installer: new AgentInstaller(builtPayloads(new URL("dist/", base))),
    startWorker: (role) => {
      const module = role === "data"
        ? new URL("./dataplane/main.ts", import.meta.url)
        : new URL("./names/main.ts", import.meta.url);
      return new Worker(module, { type: "module", name: role });
    },
  });
  return 0;
}

/** `helper start GRANT`, behind sudo, starts `helper run GRANT` in the background, and ends as soon as that is ready. */
async function helper([verb, ...args]: readonly string[]): Promise<number> {
  const { parseGrant } = await import("./helper/grant.ts");
  const grant = parseGrant(args);
  if (verb === "start") {
    const { startHelper } = await import("./helper/start.ts");
    const { startAgain } = await import("./helper/start_again.ts");
    const again = startAgain({
      packed: Deno.env.get("PMZ_SELF"),
      isCompiled: Deno.build.standalone,
      execPath: Deno.execPath(),
      main: decodeURIComponent(new URL(Deno.mainModule).pathname),
      denoDir: Deno.env.get("DENO_DIR"),
    });
    const command = [...again.command, "helper", "run"];
    const ready = await startHelper(grant, { ...again, command }).catch((error) => ({
      ready: false,
      error: error instanceof Error ? error.message : String(error),
    }));
    // deno-lint-ignore no-console -- the one line that `pmz up` waits for
    console.log(JSON.stringify(ready));
    return ready.ready ? 0 : failures.helper.exit;
  }
  const { runHelper } = await import("./helper/main.ts");
  const line = (ready: HelperReady) => new TextEncoder().encode(`${JSON.stringify(ready)}\n`);
  // The one line that `helper start` waits for. Where that has been interrupted this throws, and the helper ends.
  await runHelper(grant, await helperAssets(), {
    onReady: (ready) => void Deno.stdout.writeSync(line(ready)),
  });
  return 0;
}

async function helperAssets(): Promise<HelperAssets> {
  const { bpfObject, libbpfBytes } = await import("./ffi/assets.ts");
  return {
    libbpf: libbpfBytes(base),
    capture: bpfObject(base, "capture"),
    names: bpfObject(base, "names"),
  };
}

async function commandLine(args: readonly string[]): Promise<number> {
  const { segmentLate } = await import("./cli/late_segmenter.ts");
  segmentLate();
  const { runCli } = await import("./cli/cli.ts");
  const { processConsole } = await import("./cli/console.ts");
  const { stateFolderPath } = await import("./daemon/process/state_folder.ts");
  const parts: CliParts = {
    ...processConsole(),
    release: RELEASE,
    get stateFolder() {
      return stateFolderPath(Deno.env);
    },
    env: Deno.env,
    environment: ownEnvironment,
    pluginCredential: async (of) => {
      const { pluginCredential } = await import("./kube/config/kubeconfig.ts");
      return await pluginCredential(of).catch((error) => {
        throw Object.assign(error, { code: "credentials" });
      });
    },
    startDaemon: async () => {
      const { spawnDaemon } = await import("./daemon/process/spawn.ts");
      await spawnDaemon([...self(), "daemon"], stateFolderPath(Deno.env));
    },
    helperCommand: (grant) => [...self(), "helper", "start", ...grantArguments(grant)],
    selfCommand: (args) => [...self(), ...args],
    setup: async () => {
      const { LocalSetup } = await import("./setup/setup.ts");
      return new LocalSetup({
        env: Deno.env,
        uid: Deno.uid() ?? -1,
        own: ownFile(),
        texts: async (release) => (await import("./cli/setup_texts.ts")).setupTexts(release),
      });
    },
    manifests: async (components, options) => {
      const { AgentInstaller } = await import("./install/installer.ts");
      const { builtPayloads } = await import("./install/payload/source.ts");
      return await new AgentInstaller(builtPayloads(new URL("dist/", base))).manifests(components, options);
    },
    leftovers: async () => {
      const { leftovers } = await import("./daemon/process/leftovers.ts");
      return await leftovers();
    },
    shellWarnings: async (served) => {
      const { shellChecks } = await import("./checks/registry.ts");
      const { warningsOf } = await import("./checks/warnings.ts");
      const { readResolver: resolver } = await import("./daemon/laptop/resolv_conf.ts");
      return await warningsOf(shellChecks, { env: Deno.env, resolver, served });
    },
    lookup: async (host, signal) => {
      const { lookup } = await import("./cli/lookup.ts");
      return await lookup(host, signal);
    },
    logs: async function* (request, signal) {
      const { readLogs } = await import("./logs/read.ts");
      const { trustOnlyGiven } = await import("./kube/client/trust.ts");
      trustOnlyGiven();
      yield* readLogs(request, { env: Deno.env }, signal);
    },
    contexts: async () => {
      const { contexts } = await import("./kube/config/kubeconfig.ts");
      return contexts().map(({ name }) => name);
    },
    report: async (request) => {
      const { collectReport } = await import("./report/collect.ts");
      return await collectReport(request, await reportParts());
    },
    doctor: async (request, onChecked, signal) => {
      const { doctor } = await import("./checks/doctor.ts");
      return await doctor(request, await doctorParts(), onChecked, signal);
    },
    servePage: async ({ port }, signal) => {
      const { servePage } = await import("./ui/server.ts");
      return servePage({ port, parts }, signal);
    },
    openBrowser: async (url) => {
      const { openBrowser } = await import("./ui/open_browser.ts");
      return openBrowser(url, Deno.env);
    },
  };
  return await runCli(args, parts);
}

/** What a report looks at of this machine. */
async function reportParts(): Promise<ReportParts> {
  const { glibcVersion } = await import("./ffi/glibc.ts");
  const { findProgram } = await import("./helper/programs.ts");
  const orNothing = <T>(look: () => T): T | undefined => {
    try {
      return look();
    } catch {
      return undefined;
    }
  };
  return {
    env: Deno.env,
    hostname: Deno.hostname(),
    glibc: glibcVersion(),
    findProgram,
    readText: (path) => orNothing(() => Deno.readTextFileSync(path)),
    readLink: (path) => orNothing(() => Deno.readLinkSync(path)),
  };
}

/** What the checks look at of this machine, each as the room looks that works with it. */
async function doctorParts(): Promise<DoctorParts> {
  const { leftovers } = await import("./daemon/process/leftovers.ts");
  const { stateProblem } = await import("./daemon/process/state_problem.ts");
  const { readResolver } = await import("./daemon/laptop/resolv_conf.ts");
  const { DNS_PORT, nameserverProblem } = await import("./names/server/probe.ts");
  const { hasBpf } = await import("./ffi/bpf/system_call.ts");
  const { glibcVersion } = await import("./ffi/glibc.ts");
  const { findRootCgroup } = await import("./helper/cgroup.ts");
  const { probePrograms } = await import("./helper/probe.ts");
  const { findProgram } = await import("./helper/programs.ts");
  const { AgentInstaller } = await import("./install/installer.ts");
  const { builtPayloads } = await import("./install/payload/source.ts");
  const { trustOnlyGiven } = await import("./kube/client/trust.ts");
  trustOnlyGiven();
  const installer = new AgentInstaller(builtPayloads(new URL("dist/", base)));
  return {
    resolver: readResolver,
    nameserverProblem: (address) => nameserverProblem({ address, port: DNS_PORT }),
    agents: (api) => installer.status(api, ["gateway", "node"]),
    leftovers,
    stateProblem,
    machine: {
      os: Deno.build.os,
      arch: Deno.build.arch,
      kernel: Deno.osRelease(),
      glibc: glibcVersion(),
      isRoot: Deno.uid() === 0,
      hasBpf,
      loadPrograms: async () => probePrograms(await helperAssets()),
      findRootCgroup,
      findProgram,
    },
  };
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
