import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { argument } from "@optique/core/primitives";
import { context, inNamespace, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import { container, envFile } from "../environment_options.ts";
import { askEnvironment, envFileText, sayLacks, writeEnvFile } from "../service_environment.ts";
import { service } from "../values.ts";
import { namespaceOf } from "./intercept.ts";

export const env = define({
  words: "env",
  usage: "SERVICE[.NS]",
  brief: "Print the variables of a Service's container",
  description:
    "Prints the variables of a Service's container, secret ones too, as a .env file; or writes such a file, which only " +
    "you may read. With -o json it prints them as they are, with the paths of the mounted configuration. What you may not " +
    "read is named and left out. `pmz run` gives all of it to a program, and leaves nothing behind.",
  examples: [
    ["pmz env shop", "as a .env file"],
    ["pmz env shop --env-file .env", "into a file: VS Code's envFile, docker compose's env_file"],
    ["pmz env shop -o json", "for scripts"],
  ],
  options: object({
    service: argument(service(), { description: message`Service whose container is meant.` }),
    container,
    envFile,
    namespace: inNamespace,
    context,
    kubeconfig,
  }),
  data: true,
  async run(cli, options) {
    const daemon = await cli.startedDaemon();
    const choice = await cli.chosen(daemon, { ...options, namespace: namespaceOf(options) });
    const environment = await askEnvironment(daemon, choice, {
      ...options,
      service: options.service.service,
    });
    const { files, connected: _, ...more } = environment;
    sayLacks(cli.terminal, environment);
    if (options.envFile !== undefined) await writeEnvFile(cli.terminal, options.envFile, environment);
    cli.terminal.json("Environment", { ...more, files: files.map(({ path, mode }) => ({ path, mode })) });
    if (options.envFile === undefined && cli.terminal.look.output === "text") {
      cli.terminal.file(envFileText(cli.terminal, environment));
    }
  },
});
