import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { define } from "../command.ts";
import { localPort } from "../values.ts";

export const ui = define({
  words: "ui",
  brief: "Show pmz in your browser",
  description:
    "Opens a page on this machine, for you alone: clusters, Services, connections with their reasons, intercepts, and buttons that run " +
    "commands of pmz, each with its command line. Prints its address, which is secret. It ends with Ctrl-C or `pmz down`.",
  examples: [
    ["pmz ui", "opens the page"],
    ["pmz ui --no-open --port 4600", "only prints its address, on a port of your choice"],
    ["pmz ui --no-open -o json", "prints the address for scripts"],
  ],
  options: object({
    port: withDefault(
      option("--port", localPort(), { description: message`Listen on this port, not on any free one.` }),
      0,
    ),
    noOpen: withDefault(
      flag("--no-open", { description: message`Print the address; open no browser.` }),
      false,
    ),
  }),
  data: true,
  async run(cli, { port, noOpen }) {
    cli.untilCtrlC();
    const page = await cli.parts.servePage({ port }, cli.signal);
    cli.terminal.json("Page", { url: page.url });
    cli.terminal.print(page.url);
    const isOpen = !noOpen && await cli.parts.openBrowser(page.url);
    if (!isOpen && !noOpen) cli.terminal.note("no browser could be opened: open this address in one");
    cli.terminal.note("to end it: Ctrl-C");
    if (await page.ended === "down") cli.terminal.note("pmz is down");
  },
});
