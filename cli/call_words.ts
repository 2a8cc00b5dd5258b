import type { CallName } from "../wire/control.ts";

/** What a command does while the daemon answers a call, as an error says it: "while following flows". */
export const callWords = {
  hello: "asking for the version",
  plugin: "reading the kubeconfig",
  plan: "looking at the cluster",
  up: "connecting",
  down: "disconnecting",
  status: "reading the status",
  explain: "following the connection",
  services: "listing Services",
  names: "listing domains",
  addName: "adding a domain",
  removeName: "removing a domain",
  allowedDomains: "listing allowed domains",
  allowDomain: "allowing a domain",
  disallowDomain: "removing an allowed domain",
  intercepts: "listing intercepts",
  intercept: "starting an intercept",
  leave: "ending an intercept",
  agent: "looking at the agents",
  installAgent: "installing the agents",
  removeAgent: "removing the agents",
  flows: "listing flows",
  followFlows: "following flows",
  stop: "asking the daemon to end",
} as const satisfies Record<CallName, string>;
