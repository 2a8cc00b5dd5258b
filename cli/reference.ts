/**
 * docs/commands.md, docs/pmzctl.md and docs/exit-codes.md, made of what the program itself says:
 * `deno run -A cli/reference.ts` writes them, a test compares.
 */
import { failures } from "../wire/control.ts";
import { RELEASE } from "../wire/version.ts";
import { parse } from "./parse.ts";
import type { Command } from "./command.ts";
import { commands, originals } from "./grammar.ts";

const PREFACE = `# Commands

Made of the program's own \`--help\` by \`deno run -A cli/reference.ts\`; a test compares.

- **Output.** Data goes to stdout; steps, warnings, questions and errors go to stderr. \`--quiet\` omits the steps. On a
  terminal there are colours (unless \`NO_COLOR\` is set) and a spinner; elsewhere each step is a line.
- **Ports.** LOCAL comes first, then the Service's port: \`8081:80\`, as in kubectl and Docker.
- **Names.** \`SERVICE[.NS]\` everywhere; a name without a namespace belongs to the connection's namespace. If a Service
  is named like a command of \`pmz intercept\` (\`list\`, \`add\`, \`delete\`), write its namespace too:
  \`pmz intercept list.default 8081\`.
- **Repeating.** Each command can be repeated: \`up\` says that the cluster is connected already, \`down\`, \`leave\` and
  \`dns remove\` that there was nothing to do, all with exit code 0.
- **Ctrl-C** interrupts a command, and what had begun is undone; a second Ctrl-C doesn't wait for that. The exit code is
  130; for \`pmz flows -f\`, \`pmz logs -f\` and \`pmz ui\`, which have no other end, it is 0.
- **What your program sees.** The peer of an intercepted connection is 127.0.0.1 for every caller: rules by the
  caller's address (\`pg_hba.conf\`, rate limits) see that.
- **Exit codes** are in [exit-codes.md](exit-codes.md).
- **Completion:** \`source <(pmz completion bash)\`, \`source <(pmz completion zsh)\` after \`compinit\`, \`pmz completion fish | source\`.
  \`pmz install\` installs it for the next shell. Contexts of the kubeconfig are completed; while pmz is up also namespaces, Services, their ports, your intercepts and domains.

## JSON

\`-o json\` prints one object on stdout, and nothing else. Lists always have \`items\`, be it one or none:

\`\`\`json
{ "apiVersion": "pmz.dev/cli/v1", "kind": "ServiceList", "items": [] }
\`\`\`

| command | kind | items |
| --- | --- | --- |
| up | UpList | one for each cluster: cluster, mode, also, proxy, services, answering, candidates, proof, try, warnings |
| down | Down | none of them; \`wasUp\`, and \`left\`: in words, whatever is left |
| status | Status | none of them; \`up\`, and if there is a daemon: release, pid, since, clusters, helper, proxy, names (DNS queries, counted), intercepts, failures, warnings |
| services | ServiceList | cluster, namespace, name, hostname, addresses, virtual, ports, unreachable, acceptedRange, readyEndpoints, type, externalName, problems, intercepted, interceptedBy, foreignRules |
| flows | FlowList | id, kind, protocol, from, program, to, virtual, name, cluster, intercept, started, ms, sent, received, dropped, outcome, times |
| flows -f | Flow | none of them; \`flow\`: an object a line, as each ends, until Ctrl-C |
| explain | Explanation | none of them; \`works\`, target, verdict (hop, saw, remedy; absent where nothing is wrong), hops (hop, level, saw, remedy, ms); without a connection \`up\` is false and \`checks\` are as those of doctor |
| ui | Page | none of them; \`url\` |
| dns add, dns list, dns remove | NameList | name, addresses, custom, target, cluster, before (the target of a changed one until now) |
| dns allow | DomainList | domain |
| intercept, intercept list, leave | InterceptList | id, cluster, namespace, service, port, protocol, portName, local, since, until, match, mirror, domain, mine, pods, connections, requests, alsoTaken, others, silentSince, problems |
| env | Environment | none of them; cluster, namespace, service, pod (absent where none is there), container, variables, files (path, mode), folders, otherMounts, problems |
| agent deploy, agent delete, agent status | AgentComponentList | component, state, why, image, payload, ours, versions, outdated, pods |
| doctor | CheckList | id, title, outcome (ok, warning, failed, skipped), findings (level, saw, remedy), ms; and \`ok\` |
| config view | Config | key, value (a text, or a list of texts), from, variable, option; and \`path\` |
| logs | LogList | time, source (daemon, helper, gateway, attach, relay), pod (of an agent), level, message, fields; and \`unread\` (source, why, remedy) |
| logs -f | LogLine | none of them; \`line\`: an object a line, until Ctrl-C |
| version | Version | none of them; release, control, and daemon if one runs |

\`wire/control/answers.ts\`, \`wire/flow.ts\`, \`wire/explain.ts\`, \`wire/log_line.ts\` and \`wire/doctor.ts\` state the fields. New ones may come; those that are there keep their meaning within \`v1\`. Text in
it that a terminal would act on stands as \`\\uXXXX\`.
`;

const ORIGINAL = `# For users of pmzctl

pmzctl is the command of the Rust original. Its words work in pmz with the same meaning, and \`pmz --help\` doesn't list
them. This page is made of the program's own \`--help\` by \`deno run -A cli/reference.ts\`; a test compares.

| pmzctl | pmz | difference |
| --- | --- | --- |
| \`run --interface eth0\` | nothing | \`pmz up\` starts the daemon; no interface is needed. \`run SERVICE -- COMMAND\` is another command |
| \`agent deploy -n default\` | \`agent deploy\` | the agents have namespaces of their own, pmz and pmz-node |
| \`agent delete\` | \`agent delete\` | asks first |
| \`connect\` | \`up\` | installs the gateway if it is missing, after asking |
| \`disconnect\`, \`stop\` | \`down\` | ends the daemon, too |
| \`dns add --domain D --service S --namespace N\` | \`dns add D S.N\` | |
| \`dns remove --domain D\` | \`dns remove D\` | |
| \`dns list\` | \`dns list\` | |
| \`intercept add -s S -n N -p LOCAL:PORT\` | \`intercept S.N LOCAL:PORT\` | installs the node agent if it is missing, after asking |
| \`intercept delete -s S\` | \`leave S\` | |
| \`intercept list\` | \`intercept list\` | |
`;

/** The text of docs/commands.md. */
export function commandsPage(): string {
  return `${PREFACE}\n${helpPages(commands)}`;
}

/** The text of docs/pmzctl.md. */
export function pmzctlPage(): string {
  return `${ORIGINAL}\n${helpPages(originals)}`;
}

function helpPages(of: readonly Command[]): string {
  return of.map(({ words }) => `## pmz ${words}\n\n\`\`\`text\n${helpOf(words)}\`\`\`\n`).join("\n");
}

/** The text of docs/exit-codes.md. */
export function exitCodesPage(): string {
  const rows = Object.entries(failures).map(([code, { exit, means }]) => `| ${exit} | ${code} | ${means} |`);
  return `# Exit codes

Made of the table in \`wire/control/failures.ts\` by \`deno run -A cli/reference.ts\`; a test compares. An error is one line on
stderr and a hint; \`--verbose\` adds what caused it. \`pmz run\` ends with its program's exit code: 128 and the signal's number
where one ended it, 127 where there is no such program, 126 where it can't be run.

| exit code | name | meaning |
| --- | --- | --- |
| 0 | | done, or nothing to do |
${rows.join("\n")}
| 70 | | the file could not unpack itself, or not start what it unpacked: pmz itself has not run |
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
  await Deno.writeTextFile(new URL("pmzctl.md", docs), pmzctlPage());
}
