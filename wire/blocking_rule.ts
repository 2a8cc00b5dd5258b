import type { BlockingRule } from "./helper.ts";

/** What a rule of this machine's firewall does to connections, in words. @param to "10.96.0.7:80" */
export function blockingWords(to: string, { chain, rule, leadsTo, seemsFrom }: BlockingRule): string {
  const does = leadsTo !== undefined
    ? `leads connections to ${to} elsewhere, to ${leadsTo}`
    : seemsFrom !== undefined
    ? `gives connections to ${to} another source, ${seemsFrom}, by which pmz doesn't know them`
    : `drops connections to ${to}`;
  return `this machine's firewall ${does}: ${chain}: ${rule}`;
}

/** What to do about it. */
export function blockingRemedy({ leadsTo, seemsFrom }: BlockingRule): string {
  if (leadsTo !== undefined) {
    return "take that rule out, or end the program that made it (a VPN, a proxy, a Kubernetes on this machine, for example): it " +
      "takes the cluster's addresses";
  }
  if (seemsFrom !== undefined) {
    return "have that rule leave the device lo out, as with -o for the device that it is meant for";
  }
  return "change that rule, or the setting of the program that made it (a VPN's kill switch, for example): packets by the " +
    "device lo have to pass";
}
