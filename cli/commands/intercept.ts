import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { argument, option } from "@optique/core/primitives";
import { context, imageOptions, inNamespace, installOptionsOf, kubeconfig, yes } from "../cluster_options.ts";
import { define } from "../command.ts";
import { undone } from "../interruption.ts";
import { agreeToInstall, sayCluster } from "../consent.ts";
import { failure } from "../failure.ts";
import { interceptMine } from "../intercept_mine.ts";
import { checkLocalHost } from "../local_host.ts";
import { container, envFile } from "../environment_options.ts";
import { askEnvironment, sayLacks, writeEnvFile } from "../service_environment.ts";
import { confirm, confirmProtected } from "../protection.ts";
import type { Cli } from "../session.ts";
import type { HeldTerms } from "../held.ts";
import { neededRules } from "../../wire/intercept.ts";
import { type MatchOptions, matchOptions, matchRequest } from "../match_options.ts";
import { bookmarklet, curlLine, othersWords, quoted, takesWords } from "../match_words.ts";
import {
  interceptedService,
  type LocalEnd,
  localTarget,
  RESERVED,
  service,
  type ServiceName,
} from "../values.ts";

const shared = { namespace: inNamespace, context, kubeconfig, yes, confirm, ...imageOptions };

/** What `pmz intercept` was asked for. */
export interface InterceptOptions {
  readonly service: ServiceName;
  readonly local: LocalEnd;
  readonly namespace: string | undefined;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly yes: boolean;
  readonly confirm: ServiceName | undefined;
  readonly baseImage: string | undefined;
  readonly agentImage: string | undefined;
}

/** Without them, all connections of the port are taken. */
const wholeService: MatchOptions = {
  domain: undefined,
  hosts: [],
  headers: [],
  paths: [],
  cookies: [],
  methods: [],
  callers: [],
  grpc: [],
  personal: false,
  mine: false,
  mirror: false,
  ttl: undefined,
};

export const intercept = define({
  words: "intercept",
  usage: "SERVICE[.NS] LOCAL[:PORT]",
  brief: "Answer a Service from this machine",
  description:
    "Lets a program of this machine answer a Service instead of its pods, until `pmz leave`, `pmz down` or the end " +
    "of the connection. LOCAL is where the program listens: a port of localhost (127.0.0.1 and ::1), or HOST:PORT. PORT is the name or number of the " +
    "Service's port, needed if it has several; 53/udp is a UDP port. With a matcher (--domain to --personal) it takes only the requests that match, and " +
    "several people share a port: requests have to match each kind of matcher that is given, and one of those of a kind; " +
    "headers and cookies of different names all have to match. With --mirror the pods answer, and your program gets a copy, whose " +
    "answers are thrown away. With --mine only this machine's own connections are taken, after " +
    "`pmz up`: the cluster knows nothing of it. Needs no root. If a Service is named like a command (" +
    `${RESERVED.join(", ")})` + ", write its namespace too: list.default.",
  examples: [
    ["pmz intercept echo 8081", "the HTTP port of echo (or its only one), answered on port 8081"],
    ["pmz intercept echo.shop 8081:80", "port 80 of echo in namespace shop"],
    ["pmz intercept echo 127.0.0.1:8081:http", "the port named http"],
    ["pmz intercept list.default 8081", "a Service named list"],
    ["pmz intercept dns 5353:53/udp", "the UDP port 53, where TCP has that number too"],
    ["pmz intercept echo 8081 --header x-user=alice", "only requests with this header"],
    [
      "pmz intercept echo 8081 --domain alice.shop.example",
      "what is asked of this domain, on this machine too",
    ],
    ["pmz intercept echo 8081 --path /cart --from shop/app=web", "only what these pods ask for there"],
    ["pmz intercept cart 8081 --grpc shop.v1.Cart/AddItem", "only calls of this gRPC method"],
    ["pmz intercept echo 8081 --personal --ttl 2h", "only requests that say so, for two hours"],
    ["pmz intercept echo 8081 --path /cart --mirror", "a copy of these requests, which the pods answer"],
    ["pmz intercept echo 8081 --mine", "only what this machine itself connects to echo"],
  ],
  options: object({
    service: argument(interceptedService(), {
      description: message`Service to answer, with its namespace if needed.`,
    }),
    local: argument(localTarget(), {
      description: message`Where your program listens, and the Service's port.`,
    }),
    ...matchOptions,
    envFile,
    container,
    ...shared,
  }),
  data: true,
  interrupted: undone,
  async run(cli, options) {
    const { envFile, container } = options;
    if (envFile === undefined && container !== undefined) {
      throw failure("usage", "--container chooses what --env-file writes", "add --env-file, or leave it out");
    }
    // First, so that there is no intercept where it fails.
    if (envFile !== undefined) await writeEnvironment(cli, { ...options, envFile });
    await startIntercept(cli, options, options);
  },
});

/** `--env-file` */
async function writeEnvironment(
  cli: Cli,
  options: InterceptOptions & { readonly envFile: string; readonly container: string | undefined },
): Promise<void> {
  const { service: { service }, container, local: { port }, envFile } = options;
  const daemon = await cli.startedDaemon();
  const choice = await cli.chosen(daemon, { ...options, namespace: namespaceOf(options) });
  const environment = await askEnvironment(daemon, choice, { service, container, port });
  sayLacks(cli.terminal, environment);
  await writeEnvFile(cli.terminal, envFile, environment);
}

/** The original's form. */
export const interceptAdd = define({
  words: "intercept add",
  original: true,
  usage: "-s SERVICE -p LOCAL:PORT",
  brief: "Answer a Service, as intercept does",
  examples: [[
    "pmz intercept add -s echo -n default -p 8081:80",
    "the same as: pmz intercept echo.default 8081:80",
  ]],
  options: object({
    service: option("-s", "--service", service(), { description: message`Service to answer.` }),
    local: option("-p", "--port", localTarget(), {
      description: message`Where your program listens, and the Service's port.`,
    }),
    ...shared,
  }),
  data: true,
  interrupted: undone,
  run: (cli, options) => startIntercept(cli, options, wholeService),
});

/** The namespace of a Service; undefined: the context's. @throws {CliFailure} `usage` when two are given */
export function namespaceOf(
  { service, namespace }: { readonly service: ServiceName; readonly namespace: string | undefined },
): string | undefined {
  if (service.namespace !== undefined && namespace !== undefined && service.namespace !== namespace) {
    throw failure(
      "usage",
      `two namespaces are given: ${service.namespace} and ${namespace}`,
      "leave out one of them",
    );
  }
  return service.namespace ?? namespace;
}

export async function startIntercept(
  cli: Cli,
  options: InterceptOptions,
  matching: MatchOptions,
  held?: HeldTerms,
): Promise<void> {
  const { service, local } = options;
  const { terminal = cli.terminal } = held ?? {};
  const namespace = namespaceOf(options);
  await checkLocalHost(service, local);
  const { ttl, ...match } = matchRequest(matching);
  if (matching.mine) return await interceptMine(cli, { ...options, namespace }, match, ttl, held);
  const isPersonal = Object.keys(match).length > 0;
  const { match: matched = {}, mirror } = match;
  const rules = isPersonal ? neededRules({ match: matched, ...(mirror && { mirror }) }) : undefined;
  const daemon = await cli.startedDaemon();
  const choice = await cli.chosen(daemon, { ...options, namespace });
  const plan = await daemon.ask("plan", {
    ...choice,
    mode: "intercept",
    ...(rules === undefined ? {} : { rules }),
    service: service.service,
    localPort: local.local,
    ...(local.port === undefined ? {} : { port: local.port }),
  });
  if (plan.connected === undefined || plan.install.length > 0) sayCluster(cli, plan.cluster);
  for (const { message, hint } of plan.warnings) cli.terminal.warn(message, hint);
  const meant = { service: service.service, namespace: namespace ?? plan.cluster.namespace };
  await confirmProtected(cli, plan.cluster.context, meant, options.confirm);
  const install = await agreeToInstall(cli, plan, options.yes);
  const installOptions = installOptionsOf(options, await cli.settings());
  const entry = await cli.follow(
    await cli.startedDaemon(), // it may have ended while the question stood
    "intercept",
    {
      ...choice,
      service: service.service,
      local: { host: local.host, port: local.local },
      ...(local.port === undefined ? {} : { port: local.port }),
      ...match,
      ...(ttl === undefined ? {} : { ttl }),
      install,
      ...(installOptions === undefined ? {} : { installOptions }),
      ...(held === undefined ? {} : { hold: await held.hold() }),
    },
  );
  terminal.json("InterceptList", { items: [entry] });
  terminal.print(
    { text: entry.id, style: "bold" },
    ` -> ${entry.local}, in ${entry.pods.ready} of ${entry.pods.all} pods`,
  );
  if (isPersonal) {
    const here = plan.connected === "capture";
    terminal.print(`takes: ${takesWords(entry)}${entry.mirror ? "; the pods answer" : ""}`);
    const where = entry.match?.callers
      ? " in one of those pods"
      : here
      ? ""
      : " in a pod, or here after pmz up";
    if (entry.protocol === undefined) terminal.print(`try it${where}: ${curlLine(entry, here)}`);
    terminal.print(`others: ${othersWords(entry)}`);
    const bookmark = bookmarklet(entry);
    if (bookmark !== undefined) terminal.tell(`in a browser, as a bookmark on the page: ${bookmark}`);
    if (entry.domain !== undefined) {
      terminal.tell(
        `for colleagues: pmz dns add ${quoted(entry.domain)} ${entry.service}.${entry.namespace}`,
      );
    }
  }
  if (entry.alsoTaken.length > 0) {
    terminal.warn(
      `also intercepted, since these Services lead to the same ports of the same pods: ${
        entry.alsoTaken.join(", ")
      }`,
    );
  }
  for (const problem of entry.problems) terminal.warn(problem);
  const ends = entry.until === undefined ? "" : ` (it ends by itself at ${entry.until})`;
  if (held === undefined) terminal.tell(`to end it: pmz leave ${entry.id}${ends}`);
}
