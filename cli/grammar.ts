import { group, or } from "@optique/core/constructs";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import { asWord, type Command, type Invocation, prose } from "./command.ts";
import { agentDelete } from "./commands/agent_delete.ts";
import { agentDeploy } from "./commands/agent_deploy.ts";
import { agentManifests } from "./commands/agent_manifests.ts";
import { agentStatus } from "./commands/agent_status.ts";
import { configView } from "./commands/config_view.ts";
import { dnsAdd } from "./commands/dns_add.ts";
import { dnsAllow } from "./commands/dns_allow.ts";
import { dnsList } from "./commands/dns_list.ts";
import { dnsRemove } from "./commands/dns_remove.ts";
import { doctor } from "./commands/doctor.ts";
import { disconnect, down, stop } from "./commands/down.ts";
import { env } from "./commands/env.ts";
import { explain } from "./commands/explain.ts";
import { flows } from "./commands/flows.ts";
import { install } from "./commands/install.ts";
import { intercept, interceptAdd } from "./commands/intercept.ts";
import { interceptList } from "./commands/intercept_list.ts";
import { interceptDelete, leave } from "./commands/leave.ts";
import { logs } from "./commands/logs.ts";
import { report } from "./commands/report.ts";
import { run } from "./commands/run.ts";
import { services } from "./commands/services.ts";
import { status } from "./commands/status.ts";
import { ui } from "./commands/ui.ts";
import { uninstall } from "./commands/uninstall.ts";
import { connect, up } from "./commands/up.ts";
import { upgrade } from "./commands/upgrade.ts";
import { version } from "./commands/version.ts";

/** Every command, in the order of the reference. */
export const commands: readonly Command[] = [
  up,
  down,
  status,
  services,
  flows,
  explain,
  ui,
  intercept,
  interceptList,
  leave,
  run,
  env,
  dnsAdd,
  dnsAllow,
  dnsList,
  dnsRemove,
  agentDeploy,
  agentDelete,
  agentStatus,
  agentManifests,
  configView,
  doctor,
  logs,
  report,
  install,
  uninstall,
  upgrade,
  version,
];

/** The words of pmzctl, the original: they work, and stand in docs/pmzctl.md alone. */
export const originals: readonly Command[] = [
  connect,
  disconnect,
  stop,
  interceptAdd,
  interceptDelete,
];

const interceptWords = command(
  "intercept",
  or(asWord(interceptList), asWord(interceptAdd), asWord(interceptDelete), intercept.parser),
  intercept.page,
);
const dnsWords = command("dns", or(asWord(dnsAdd), asWord(dnsAllow), asWord(dnsList), asWord(dnsRemove)), {
  brief: prose("Add, allow, list or remove domain names"),
  usageLine: [{ type: "literal", value: "(add | allow | list | remove)" }],
});
const configWords = command("config", asWord(configView), {
  brief: prose("Show the settings"),
  usageLine: [{ type: "literal", value: "view" }],
});
const agentWords = command(
  "agent",
  or(asWord(agentDeploy), asWord(agentDelete), asWord(agentStatus), asWord(agentManifests)),
  {
    brief: prose("Install, remove or inspect the cluster's agents"),
    usageLine: [{ type: "literal", value: "(deploy | delete | status | manifests)" }],
  },
);

/** Understands a whole command line. */
export const grammar: Parser<"sync", Invocation, unknown> = or(
  group(
    "Connect",
    or(
      asWord(up),
      asWord(down),
      asWord(status),
      asWord(services),
      asWord(flows),
      asWord(explain),
      asWord(ui),
    ),
  ),
  group("Intercept", or(interceptWords, asWord(leave), asWord(run), asWord(env))),
  group(
    "Set up and inspect",
    or(
      or(dnsWords, agentWords, configWords),
      or(asWord(doctor), asWord(logs), asWord(report)),
      or(asWord(install), asWord(uninstall), asWord(upgrade), asWord(version)),
    ),
  ),
  or(asWord(connect), asWord(disconnect), asWord(stop)),
);
