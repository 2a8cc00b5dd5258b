import { object } from "@optique/core/constructs";
import { define } from "../command.ts";
import { takesWords } from "../match_words.ts";
import { warnOfIntercepts } from "../intercept_warnings.ts";
import { requestWords } from "../request_words.ts";
import { formatDuration } from "../terminal.ts";

export const interceptList = define({
  words: "intercept list",
  brief: "List the intercepts of this machine",
  description:
    "Lists the intercepts of this machine. (To intercept a Service named list, write its namespace too: " +
    "pmz intercept list.default 8081.)",
  examples: [
    ["pmz intercept list", "for people"],
    ["pmz intercept list -o json", "for scripts"],
  ],
  options: object({}),
  data: true,
  async run(cli) {
    const daemon = await cli.daemon();
    const entries = await daemon.ask("intercepts");
    cli.terminal.json("InterceptList", { items: entries });
    if (entries.length === 0) {
      return cli.terminal.print("there are no intercepts; to start one: pmz intercept SERVICE LOCAL");
    }
    const now = cli.parts.now?.() ?? Date.now();
    const isShared = entries.some(({ match, mine, mirror }) => match !== undefined || mine || mirror);
    cli.terminal.table(
      entries.map((entry) => [
        entry.id,
        ...(isShared ? [takesWords(entry)] : []),
        entry.local,
        entry.mine ? "none" : `${entry.pods.ready} of ${entry.pods.all}`,
        `${entry.connections.open} open, ${entry.connections.total} in all`,
        ...(isShared ? [requestWords(entry)] : []),
        formatDuration(Math.max(0, now - Date.parse(entry.since))),
      ]),
      [
        "INTERCEPT",
        ...(isShared ? ["TAKES"] : []),
        "LOCAL",
        "PODS",
        "CONNECTIONS",
        ...(isShared ? ["REQUESTS"] : []),
        "AGE",
      ],
    );
    warnOfIntercepts(cli.terminal, entries, now);
  },
});
