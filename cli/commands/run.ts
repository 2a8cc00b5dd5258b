import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { context, imageOptions, inNamespace, kubeconfig, yes } from "../cluster_options.ts";
import { define } from "../command.ts";
import { ConfigurationFolder, ROOT } from "../configuration_folder.ts";
import { container, envFile } from "../environment_options.ts";
import { failure } from "../failure.ts";
import { Held } from "../held.ts";
import { undone } from "../interruption.ts";
import { type MatchOptions, matchOptions, matchRequest } from "../match_options.ts";
import { NotStarted, startProgram } from "../program.ts";
import { askEnvironment, sayLacks, variablesHere, whose, writeEnvFile } from "../service_environment.ts";
import { confirm } from "../protection.ts";
import type { Cli } from "../session.ts";
import { type LocalEnd, localTarget, service } from "../values.ts";
import { type InterceptOptions, namespaceOf, startIntercept } from "./intercept.ts";

const runOptions = {
  service: optional(argument(service(), {
    description: message`Service whose environment the program gets.`,
  })),
  intercept: multiple(
    option("--intercept", localTarget(), {
      description: message`Intercept it while the program runs; repeatable.`,
    }),
  ),
  container,
  envFile,
  ...matchOptions,
  namespace: inNamespace,
  context,
  kubeconfig,
  yes,
  confirm,
  ...imageOptions,
  /** The original's: `pmz run` starts the daemon there, and needs an interface. */
  interface: optional(option("-i", "--interface", string({ metavar: "NAME" }), { hidden: true })),
};

export const run = define({
  words: "run",
  usage: "SERVICE[.NS] -- COMMAND",
  brief: "Run a program in a Service's environment",
  description:
    "Runs a program of this machine with the variables of a Service's container, and with its mounted ConfigMaps, " +
    `Secrets and tokens as files below the folder $${ROOT}, by their paths in the container. They are read with your own ` +
    "rights; what you may not read is named and left out. What the container's image sets isn't known. With --intercept " +
    "the program answers the Service while it runs; options from --domain to --ttl are those of `pmz intercept`. The exit " +
    "code is the program's. Folder and intercept go when it ends, and when pmz is killed.",
  examples: [
    ["pmz run shop -- npm start", "with the variables of shop's container"],
    ["pmz run shop --intercept 8081 -- npm start", "and answer shop from port 8081"],
    ["pmz run shop --intercept 8081 --header x-user=alice -- ./shop", "only requests with this header"],
    [`pmz run shop -- sh -c './shop --config $${ROOT}/etc/shop/shop.yaml'`, "a file that is mounted there"],
    ["pmz run shop --container app -- env", "of this container"],
    ["pmz run shop -- code --wait .", "an editor whose terminals have the environment"],
  ],
  options: object(runOptions),
  data: false,
  takesProgram: true,
  interrupted: undone,
  async run(cli, options) {
    const { service, interface: ofOriginal } = options;
    if (service !== undefined && ofOriginal === undefined) {
      return await runInEnvironment(cli, { ...options, service });
    }
    if (service !== undefined) {
      throw failure(
        "usage",
        "--interface is an option of the original's run, which takes no Service",
        "leave it out",
      );
    }
    if (cli.program.length > 0) {
      throw failure(
        "usage",
        "the Service is missing, whose environment the program gets",
        "pmz run SERVICE -- COMMAND",
      );
    }
    if (ofOriginal !== undefined) cli.terminal.note("--interface is ignored: no interface is needed");
    await cli.keepDaemon();
    cli.terminal.print("the daemon runs; next: pmz up");
  },
});

interface RunOptions extends Omit<InterceptOptions, "local">, MatchOptions {
  readonly intercept: readonly LocalEnd[];
  readonly container: string | undefined;
  readonly envFile: string | undefined;
}

async function runInEnvironment(cli: Cli, options: RunOptions): Promise<void> {
  const [program] = cli.program;
  if (program === undefined) {
    throw failure(
      "usage",
      "the program to run is missing",
      `write it after two hyphens: pmz run ${options.service.service} -- npm start`,
    );
  }
  const isPart = options.mine || Object.keys(matchRequest(options)).length > 0;
  if (options.intercept.length === 0 && isPart) {
    throw failure(
      "usage",
      "what to intercept is missing",
      "give the port your program listens at: --intercept 8081",
    );
  }
  const terminal = cli.terminal.aside(); // stdout is the program's
  const daemon = await cli.startedDaemon();
  const choice = await cli.chosen(daemon, { ...options, namespace: namespaceOf(options) });
  const environment = await askEnvironment(daemon, choice, {
    ...options,
    service: options.service.service,
    port: options.intercept[0]?.port,
  });
  await using folder = await ConfigurationFolder.make(
    cli.parts.env,
    Deno.uid() ?? -1,
    cli.parts.stateFolder,
  );
  const unwritten = folder.write(environment.files, environment.folders);
  const variables = variablesHere(environment);
  terminal.note(
    `environment of ${
      whose(environment)
    }: ${variables.length} variables, ${environment.files.length} files in $${ROOT}`,
  );
  sayLacks(terminal, environment);
  if (unwritten.length > 0) terminal.warn(`a file is in their way: ${unwritten.join(", ")}`);
  if (environment.connected !== "capture") {
    terminal.note("names and addresses of Services lead nowhere here until: pmz up");
  }
  if (options.envFile !== undefined) await writeEnvFile(terminal, options.envFile, environment);
  await using held = new Held(cli);
  for (const local of options.intercept) {
    await startIntercept(cli, { ...options, local }, options, { terminal, hold: () => held.hold() });
  }
  cli.signal.throwIfAborted();
  cli.exitCode = await runProgram(cli, folder, Object.fromEntries(variables));
}

/** Runs the program to its end; meanwhile signals are its own. */
async function runProgram(
  cli: Cli,
  folder: ConfigurationFolder,
  variables: Readonly<Record<string, string>>,
): Promise<number> {
  const own = cli.parts.environment().variables;
  try {
    const program = startProgram(cli.program, { ...own, ...variables, [ROOT]: folder.path });
    using _signals = cli.handOverSignals((signal) => void program.send(signal));
    const exit = await program.exit;
    await folder.programEnded();
    return exit;
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    cli.terminal.error(error.message);
    return error.exit;
  }
}
