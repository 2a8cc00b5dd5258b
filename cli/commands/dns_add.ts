import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { connectedContext, inNamespace } from "../cluster_options.ts";
import { define } from "../command.ts";
import { failure } from "../failure.ts";
import { domain, service } from "../values.ts";

const options = or(
  object({
    domain: argument(domain(), { description: message`Domain to add; *.NAME covers every name below.` }),
    service: argument(service(), { description: message`Service that the domain leads to.` }),
    namespace: inNamespace,
    context: connectedContext,
  }),
  map(
    object({
      domain: option("-d", "--domain", domain(), { hidden: true }),
      service: option("-s", "--service", service(), { hidden: true }),
      namespace: inNamespace,
      context: connectedContext,
    }),
    (options) => options,
  ),
);

export const dnsAdd = define({
  words: "dns add",
  usage: "DOMAIN SERVICE[.NS]",
  brief: "Give a Service a domain of your own",
  description:
    "Makes a domain name lead to a Service, on this machine and for your programs only. Adding it again is no error.",
  examples: [
    ["pmz dns add www.shop.example echo", "a Service of the connection's namespace"],
    ['pmz dns add "*.shop.example" echo.shop', "every name below shop.example"],
  ],
  options,
  data: true,
  async run(cli, options) {
    const daemon = await cli.daemon();
    const cluster = await cli.connected(daemon, options.context);
    if (
      options.service.namespace !== undefined && options.namespace !== undefined &&
      options.service.namespace !== options.namespace
    ) {
      throw failure(
        "usage",
        `two namespaces are given: ${options.service.namespace} and ${options.namespace}`,
        "leave out one of them",
      );
    }
    const entry = await daemon.ask("addName", {
      domain: options.domain,
      service: options.service.service,
      namespace: options.service.namespace ?? options.namespace ?? cluster.namespace,
      context: cluster.context,
    });
    cli.terminal.json("NameList", { items: [entry] });
    if (entry.before !== undefined) {
      cli.terminal.note(`${entry.name} now leads to ${entry.target}; before, to ${entry.before}`);
    }
    cli.terminal.print(
      `${entry.name} -> ${entry.target} (${entry.addresses.join(", ") || "no address yet"})`,
    );
  },
});
