import type { BlockingRule } from "./helper.ts";

/** What a rule of this machine's firewall does to connections, in words. @param to "10.96.0.7:80" */
export function blockingWords(to: string, { chain, rule, leadsTo }: BlockingRule): string {
  return leadsTo === undefined
    ? `this machine's firewall drops connections to ${to}: ${chain}: ${rule}`
    : `this machine's firewall leads connections to ${to} elsewhere, to ${leadsTo}: ${chain}: ${rule}`;
}

/** What to do about it. */
export function blockingRemedy({ leadsTo }: BlockingRule): string {
  return leadsTo === undefined
    ? "change that rule, or the setting of the program that made it (a VPN's kill switch, for example): packets by the " +
      "device lo have to pass"
    : "take that rule out, or end the program that made it (a VPN, a proxy, a Kubernetes on this machine, for example): it " +
      "takes the cluster's addresses";
}
