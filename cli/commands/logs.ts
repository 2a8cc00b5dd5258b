import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import type { LogLine, LogsRequest, UnreadLog } from "../../wire/log_line.ts";
import { context, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import { failure } from "../failure.ts";
import { askHelperLog } from "../helper_log.ts";
import { time } from "../match_values.ts";
import type { Cli } from "../session.ts";
import type { StyledText } from "../terminal.ts";

export const logs = define({
  words: "logs",
  brief: "Show the logs of pmz",
  description:
    "Shows the logs of the daemon and of the root helper, merged by time; with --agent also those of the gateway and the " +
    "node agents, read with your rights in the cluster. What is secret is left out: tokens, certificates, keys, passwords, " +
    "queries of URLs. Logs that can't be read are named. Works without a daemon, with its last log. With -f it shows lines as they " +
    "come, until Ctrl-C; with -o json that is one object a line.",
  examples: [
    ["pmz logs --since 10m", "what happened in the last ten minutes"],
    ["pmz logs -f", "also what happens from now on"],
    ["pmz logs --agent --since 1h", "with the agents of the current context"],
    ["pmz logs --agent --context staging -o json", "for scripts"],
  ],
  options: object({
    follow: withDefault(
      flag("-f", "--follow", { description: message`Show lines as they come, too.` }),
      false,
    ),
    since: optional(
      option("--since", time(), { description: message`Show only lines that are not older.` }),
    ),
    agent: withDefault(
      flag("--agent", { description: message`Show the cluster's agents' logs, too.` }),
      false,
    ),
    context,
    kubeconfig,
  }),
  data: true,
  async run(cli, options) {
    if (!options.agent && (options.context ?? options.kubeconfig) !== undefined) {
      throw failure(
        "usage",
        "--context and --kubeconfig choose whose agents' logs are shown",
        "add --agent, or leave them out",
      );
    }
    if (options.follow) cli.untilCtrlC();
    const items: LogLine[] = [], unread: UnreadLog[] = [];
    for await (const news of cli.parts.logs(await requestOf(cli, options), cli.signal)) {
      if ("unread" in news) {
        unread.push(news.unread);
        sayUnread(cli, news.unread);
      } else if (options.follow) {
        cli.terminal.jsonLine("LogLine", { line: news.line });
        printLine(cli, news.line);
      } else {
        items.push(news.line);
        printLine(cli, news.line);
      }
    }
    if (options.follow) return;
    cli.terminal.json("LogList", { items, unread });
    if (items.length === 0 && unread.length === 0) cli.terminal.tell("no lines");
  },
});

interface LogsOptions {
  readonly follow: boolean;
  readonly since: number | undefined;
  readonly agent: boolean;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
}

async function requestOf(
  cli: Cli,
  { follow, since, agent, context, kubeconfig }: LogsOptions,
): Promise<LogsRequest> {
  const now = cli.parts.now?.() ?? Date.now();
  const { context: chosen, kubeconfig: file } = await cli.choice({ context, kubeconfig });
  const agents = {
    ...(chosen === undefined ? {} : { context: chosen }),
    ...(file === undefined ? {} : { kubeconfig: file }),
  };
  return {
    stateFolder: cli.parts.stateFolder,
    uid: cli.parts.uid ?? Deno.uid() ?? -1,
    follow,
    ...(since === undefined ? {} : { since: now - since * 1_000 }),
    ...(agent ? { agents } : {}),
    helperLog: () => askHelperLog(cli),
  };
}

function sayUnread(cli: Cli, { source, why, remedy }: UnreadLog): void {
  cli.terminal.warn(`${source}: ${why}`, remedy && `run: ${remedy}`);
}

const levels = {
  info: "info ",
  warn: { text: "warn ", style: "yellow" },
  error: { text: "error", style: "red" },
} as const satisfies Record<LogLine["level"], StyledText>;

function printLine(cli: Cli, { time, level, source, pod, message, fields }: LogLine): void {
  const from = (pod === undefined ? source : `${source}/${pod}`).padEnd(7);
  const about = Object.entries(fields).map(([name, value]) => ` ${name}=${plainOrQuoted(value)}`).join("");
  cli.terminal.print({ text: time, style: "dim" }, ` ${from} `, levels[level], ` ${message}`, {
    text: about,
    style: "dim",
  });
}

function plainOrQuoted(value: string | number | boolean): string {
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
