import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, flag } from "@optique/core/primitives";
import { define } from "../command.ts";
import { failure } from "../failure.ts";
import { domain } from "../values.ts";

export const dnsAllow = define({
  words: "dns allow",
  usage: "[DOMAIN]",
  brief: "Allow a domain to lead to captured addresses",
  description:
    "Lets names of your nameserver lead to captured addresses: those of a domain, and below it. All other names lose such addresses, so that no page of the internet reaches a cluster (DNS rebinding). Without a domain it lists those that are allowed.",
  examples: [
    ["pmz dns allow corp.example", "your company's names, which lead to pods"],
    ["pmz dns allow", "what is allowed"],
    ["pmz dns allow --remove corp.example", "no longer"],
  ],
  options: object({
    domain: optional(
      argument(domain(), { description: message`Domain whose names may lead to captured addresses.` }),
    ),
    remove: optional(
      flag("--remove", { description: message`Remove the domain from those that are allowed.` }),
    ),
  }),
  data: true,
  async run(cli, { domain, remove }) {
    const daemon = await cli.daemon();
    if (domain === undefined) {
      if (remove) throw failure("usage", "no domain is given", "to see them: pmz dns allow");
      const items = await daemon.ask("allowedDomains");
      cli.terminal.json("DomainList", { items });
      if (items.length === 0) return cli.terminal.print("no domain is allowed");
      return cli.terminal.table(items.map((one) => [one.domain]));
    }
    const items = remove
      ? await daemon.ask("disallowDomain", { domain })
      : [await daemon.ask("allowDomain", { domain })];
    cli.terminal.json("DomainList", { items });
    const [one] = items;
    if (!one) return cli.terminal.print(`${domain}: was not there, nothing changed`);
    cli.terminal.print(
      remove ? `${one.domain}: removed` : `${one.domain}: its names may lead to captured addresses`,
    );
  },
});
