import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { argument, option } from "@optique/core/primitives";
import { define } from "../command.ts";
import { CliFailure } from "../failure.ts";
import { domain } from "../values.ts";

export const dnsRemove = define({
  words: "dns remove",
  usage: "DOMAIN",
  brief: "Remove a domain of your own",
  description:
    "Removes a domain that was added with `pmz dns add`. A domain that was never added is no error.",
  examples: [
    ["pmz dns remove www.shop.example", "one domain"],
    ['pmz dns remove "*.shop.example"', "every name below shop.example"],
  ],
  options: or(
    object({ domain: argument(domain(), { description: message`Domain to remove, as it was added.` }) }),
    object({
      domain: option("-d", "--domain", domain(), { hidden: true }),
    }),
  ),
  data: true,
  async run(cli, { domain }) {
    const daemon = await cli.daemon();
    try {
      const entry = await daemon.ask("removeName", { domain });
      cli.terminal.json("NameList", { items: [entry] });
      cli.terminal.print(`${entry.name}: removed`);
    } catch (error) {
      if (!(error instanceof CliFailure) || error.failure.code !== "not-found") throw error;
      cli.terminal.json("NameList", { items: [] });
      cli.terminal.print(`${domain}: was not there, nothing changed`);
    }
  },
});
