import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { Flow } from "../../wire/flow.ts";
import { isFailure } from "../../wire/flow.ts";
import type { LogLine, UnreadLog } from "../../wire/log_line.ts";
import type { Report, ReportRequest } from "../../wire/report.ts";
import { context, inNamespace, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import { agree } from "../consent.ts";
import { daemonView } from "../daemon_view.ts";
import { askHelperLog } from "../helper_log.ts";
import { writeNewFile } from "../new_file.ts";
import { findSudo } from "../sudo.ts";
import type { Cli } from "../session.ts";
import { formatBytes } from "../terminal.ts";
import { filePath } from "../values.ts";

export const report = define({
  words: "report",
  brief: "Collect what a bug report needs",
  description:
    "Collects, by a list of what may be in it, what a bug report needs in one archive: versions, what `pmz doctor` finds, the " +
    "status, failed connections, the logs, and what this machine is like. It says first which files that are, and asks. Never in it are " +
    "tokens, certificates, keys, passwords, values of environment variables and the contents of the kubeconfig; the " +
    "API server's host, the kubeconfig's users and public addresses are replaced by hashes. Names of contexts, namespaces, " +
    "Services, pods and programs are in it: look at it before you pass it on. Nothing is sent anywhere.",
  examples: [
    ["pmz report", "an archive in this folder, after a question"],
    ["pmz report --agent", "with the logs of the cluster's agents"],
    ["pmz report --yes --output /tmp/pmz.tar.gz", "in a script"],
  ],
  options: object({
    output: optional(option("--output", filePath(), { description: message`Write this file.` })),
    agent: withDefault(
      flag("--agent", { description: message`Add the logs of the cluster's agents.` }),
      false,
    ),
    yes: withDefault(flag("-y", "--yes", { description: message`Write it without asking.` }), false),
    context,
    kubeconfig,
    namespace: inNamespace,
  }),
  data: false,
  interrupted: { message: "interrupted: no report was written" },
  async run(cli, options) {
    const { parts, terminal } = cli;
    const collected = await parts.report(await requestOf(cli, options));
    const path = options.output ?? `${collected.name}.tar.gz`;
    sayFiles(cli, collected);
    await agree(cli, options.yes, `Write ${path}?`, "no report was written");
    cli.signal.throwIfAborted(); // what was typed after Ctrl-C is no answer
    writeNewFile(path, collected.archive);
    terminal.print(`${path} is written, ${formatBytes(collected.archive.length)}; only you may read it`);
    terminal.tell(`to look at it: tar -xzf ${path}`);
  },
});

interface ReportOptions {
  readonly agent: boolean;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly namespace: string | undefined;
}

/** Asks the daemon, the checks and the logs; what can't be asked is left out, and named. */
async function requestOf(cli: Cli, options: ReportOptions): Promise<ReportRequest> {
  const { parts, signal, terminal } = cli;
  const choice = await cli.choice(options);
  terminal.note("collecting: checks, status, connections, logs");
  const [checks, view, flows, logs] = await Promise.all([
    parts.doctor(
      {
        only: [],
        ...choice,
        release: parts.release,
        stateFolder: parts.stateFolder,
        env: parts.env,
        sudo: () => findSudo(cli),
        daemon: () => daemonView(cli),
      },
      () => {},
      signal,
    ),
    daemonView(cli),
    failedFlows(cli),
    readLogs(cli, options),
  ]);
  return {
    release: parts.release,
    ...(view.state === "running" ? { daemonRelease: view.status.release, status: view.status } : {}),
    ...(view.state === "unusable" ? { daemonProblem: view.why } : {}),
    checks,
    flows,
    ...logs,
    ...(choice.kubeconfig === undefined ? {} : { kubeconfig: choice.kubeconfig }),
    now: new Date(parts.now?.() ?? Date.now()).toISOString(),
  };
}

async function failedFlows(cli: Cli): Promise<Flow[]> {
  try {
    const daemon = await cli.runningDaemon();
    return (await daemon?.ask("flows"))?.filter(({ outcome }) => isFailure(outcome)) ?? [];
  } catch {
    cli.signal.throwIfAborted();
    return []; // the report says why the daemon can't be asked
  }
}

async function readLogs(
  cli: Cli,
  options: ReportOptions,
): Promise<{ logs: LogLine[]; unreadLogs: UnreadLog[] }> {
  const { context, kubeconfig } = await cli.choice(options);
  const agents = {
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  };
  const logs: LogLine[] = [], unreadLogs: UnreadLog[] = [];
  const read = cli.parts.logs({
    stateFolder: cli.parts.stateFolder,
    uid: cli.parts.uid ?? Deno.uid() ?? -1,
    follow: false,
    helperLog: () => askHelperLog(cli),
    ...(options.agent ? { agents } : {}),
  }, cli.signal);
  for await (const news of read) {
    if ("line" in news) logs.push(news.line);
    else unreadLogs.push(news.unread);
  }
  return { logs, unreadLogs };
}

/** The files and their sizes, before anything is written. */
function sayFiles({ terminal }: Cli, { files }: Report): void {
  terminal.print("the report has these files:");
  terminal.table(files.map(({ name, bytes }) => [`  ${name}`, formatBytes(bytes.length)]));
}
