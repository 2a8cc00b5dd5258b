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
    domain: argument(domain(), { description: message`The name, or *.NAME for all below it.` }),
    service: argument(service(), { description: message`The Service that answers it.` }),
    namespace: inNamespace,
    context: connectedContext,
  }),
  map(
    object({
      domain: option("-d", "--domain", domain(), { description: message`The name, as pmzctl had it.` }),
      service: option("-s", "--service", service(), { description: message`The Service, as pmzctl had it.` }),
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
    "Lets a domain name lead to a Service, on this machine and for your programs only. The same again changes nothing.",
  examples: [
    ["pmz dns add www.shop.example echo", "a Service of the connection's namespace"],
    ['pmz dns add "*.shop.example" echo.shop', "all below a name"],
    ["pmz dns add --domain www.dns.com --service echo --namespace default", "as pmzctl had it"],
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
        `which namespace: ${options.service.namespace} or ${options.namespace}?`,
        "leave -n away",
      );
    }
    const entry = await daemon.ask("addName", {
      domain: options.domain,
      service: options.service.service,
      namespace: options.service.namespace ?? options.namespace ?? cluster.namespace,
      context: cluster.context,
    });
    cli.terminal.json("NameList", { items: [entry] });
    cli.terminal.print(
      `${entry.name} -> ${entry.target} (${entry.addresses.join(", ") || "no address yet"})`,
    );
  },
});
