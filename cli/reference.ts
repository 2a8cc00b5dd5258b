/**
 * docs/commands.md and docs/exit-codes.md, made of what the program itself says:
 * `deno run -A cli/reference.ts` writes them, a test compares.
 */
import { failures } from "../wire/control.ts";
import { RELEASE } from "../wire/version.ts";
import { parse } from "./cli.ts";
import { commands } from "./grammar.ts";

const PREFACE = `# Commands

Made of the program's own \`--help\` by \`deno run -A cli/reference.ts\`; a test compares.

- **Where text goes.** Data goes to stdout; steps, warnings, questions and errors go to stderr. \`--quiet\` leaves steps
  away. A terminal gets colours (unless \`NO_COLOR\` is set) and one line that turns; anything else a line for each step.
- **Order of ports.** Always LOCAL first, then the Service's: \`8081:80\`, as kubectl and Docker have it.
- **Names.** \`SERVICE[.NS]\` everywhere; a name without a namespace is looked for in the connection's own. A Service
  that is called like a command of \`pmz intercept\` (\`list\`, \`add\`, \`delete\`, \`remove\`) is reached with its
  namespace: \`pmz intercept list.default 8081\`; \`pmz intercept list\` is always the list.
- **Again.** Each command can be given twice: \`up\` says that it's up already, \`down\`, \`leave\` and \`dns remove\` that
  there was nothing to do, all with exit code 0.
- **Ctrl-C** stops what is under way, and what had begun is undone; a second one doesn't wait for that. Exit code 130.
- **Exit codes** are in [exit-codes.md](exit-codes.md).
- **Completion:** \`source <(pmz completion bash)\`; \`zsh\` and \`fish\` likewise.

## JSON

\`-o json\` prints one object on stdout, and nothing else there. Lists always have their \`items\`, be it one or none:

\`\`\`json
{ "apiVersion": "pmz.dev/cli/v1", "kind": "ServiceList", "items": [] }
\`\`\`

| command | kind | items |
| --- | --- | --- |
| up, connect | UpList | one for each cluster: cluster, mode, proxy, services, proof, try, warnings |
| down, disconnect, stop | Down | none of them; \`wasUp\`, and \`left\`: what is still there, in words |
| status | Status | none of them; \`up\`, and if there is a daemon: release, pid, since, clusters, helper, proxy, names (DNS queries, counted), intercepts, failures, warnings |
| services | ServiceList | cluster, namespace, name, hostname, addresses, ports, readyEndpoints, type, intercepted |
| flows | FlowList | id, kind, protocol, from, program, to, name, cluster, intercept, started, ms, sent, received, outcome |
| flows -f | Flow | none of them; \`flow\`: an object a line, as each ends, until Ctrl-C |
| dns add, dns list, dns remove | NameList | name, addresses, custom, target, cluster |
| intercept, intercept list, leave | InterceptList | id, cluster, namespace, service, port, portName, local, since, pods, connections, alsoTaken, problems |
| agent deploy, agent delete, agent status | AgentComponentList | component, state, why, image, payload, ours, pods |
| doctor | CheckList | id, title, outcome (ok, warning, failed, skipped), findings (level, saw, remedy), ms; \`ok\` beside them |
| version | Version | none of them; release, control, and daemon if one runs |

\`wire/control/answers.ts\`, \`wire/flow.ts\` and \`wire/doctor.ts\` state the fields. New ones may come; those that are there keep their meaning within \`v1\`. Text in
it that a terminal would act on stands as \`\\uXXXX\`.
`;

/** The text of docs/commands.md. */
export function commandsPage(): string {
  const pages = commands.map(({ words }) => `## pmz ${words}\n\n\`\`\`text\n${helpOf(words)}\`\`\`\n`);
  return `${PREFACE}\n${pages.join("\n")}`;
}

/** The text of docs/exit-codes.md. */
export function exitCodesPage(): string {
  const rows = Object.entries(failures).map(([code, { exit, means }]) => `| ${exit} | ${code} | ${means} |`);
  return `# Exit codes

Made of the one table in \`wire/control.ts\` by \`deno run -A cli/reference.ts\`; a test compares. An error is one line on
stderr and a hint; \`--verbose\` adds what caused it.

| exit code | name | meaning |
| --- | --- | --- |
| 0 | | done, or nothing to do |
${rows.join("\n")}
`;
}

function helpOf(words: string): string {
  let text = "";
  const stdout = { isTerminal: false, columns: () => 100, write: (more: string) => void (text += more) };
  parse([...words.split(" "), "--help"], { release: RELEASE, stdout });
  return `${text.trimEnd()}\n`;
}

if (import.meta.main) {
  const docs = new URL("../docs/", import.meta.url);
  await Deno.writeTextFile(new URL("commands.md", docs), commandsPage());
  await Deno.writeTextFile(new URL("exit-codes.md", docs), exitCodesPage());
}
