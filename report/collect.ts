import { loadKubeconfig } from "../kube/config/kubeconfig_files.ts";
import { knownSecrets } from "../logs/known_secrets.ts";
import { leavingOut } from "../logs/secrets.ts";
import type { Report, ReportFile, ReportRequest } from "../wire/report.ts";
import { hideIn, hiding } from "./hide.ts";
import { machineFacts, type MachineParts, routing } from "./machine.ts";
import { reportedFlow, reportedStatus } from "./status.ts";
import { gzip, tar } from "./tar.ts";

/** Lines of the logs that a report has: the newest. */
const MOST_LINES = 20_000;

const README = `This folder was made by "pmz report". It has, by a list of what may be in it:

  versions.json  of pmz, of its daemon
  machine.json   kernel, C library, distribution; how resolv.conf is made up, without its addresses and domains; modules that filter packets
  routing.txt    routing rules and routes, as "ip" prints them, without the kernel's own; pmz's routes are counted
  doctor.json    what "pmz doctor" has found
  status.json    what "pmz status" says: contexts, tunnel, helper, intercepts without what they match, warnings
  flows.json     failed connections, with the names of programs and Services
  logs.jsonl     the last lines of the logs, and which can't be read

It has no tokens, certificates, keys, passwords, no values of environment variables, no contents of the kubeconfig and none of
Secrets or ConfigMaps. What looks like a secret, and what the kubeconfig has as one, is replaced by "[left out]". The names of
contexts, namespaces, Services, pods and programs stay as they are. The host of an API server, the kubeconfig's users and public
addresses are replaced by the first ten digits of their SHA-256, so that two reports about one cluster can be compared; the home
folder is "~", and this machine's name "laptop".
`;

export interface ReportParts extends MachineParts {
  readonly env: { toObject(): Record<string, string> };
  readonly hostname: string;
}

/** Collects a report. Nothing is written. */
export async function collectReport(request: ReportRequest, parts: ReportParts): Promise<Report> {
  const kubeconfig = request.kubeconfig === undefined ? {} : { kubeconfig: request.kubeconfig };
  const env = parts.env.toObject();
  const hide = hiding(
    { ...namesIn(kubeconfig, request), home: env.HOME || undefined, hostname: parts.hostname },
    leavingOut(knownSecrets({ env: parts.env, ...kubeconfig })),
  );
  const json = (name: string, value: unknown): ReportFile =>
    file(name, `${JSON.stringify(hideIn(value, hide), null, 2)}\n`);
  const { release, daemonRelease, daemonProblem, checks, status, flows, now } = request;
  const lines = [
    ...request.unreadLogs.map((unread) => ({ unread })),
    ...request.logs.slice(-MOST_LINES),
  ];
  const name = `pmz-report-${now.slice(0, 19).replaceAll(":", "")}Z`;
  const contents = [
    file("README.txt", README),
    json("versions.json", { pmz: release, daemon: daemonRelease, daemonProblem }),
    json("machine.json", machineFacts(parts)),
    file("routing.txt", hide(await routing(parts))),
    json(
      "doctor.json",
      checks.map(({ id, title, outcome, findings, ms }) => ({ id, title, outcome, findings, ms })),
    ),
    json("status.json", status === undefined ? null : reportedStatus(status)),
    json("flows.json", flows.map(reportedFlow)),
    file("logs.jsonl", lines.map((line) => `${JSON.stringify(hideIn(line, hide))}\n`).join("")),
  ];
  const files = contents.map((one) => ({ ...one, name: `${name}/${one.name}` }));
  return { name, files, archive: await gzip(tar(files, Date.parse(now) / 1_000)) };
}

function file(name: string, text: string): ReportFile {
  return { name, bytes: new TextEncoder().encode(text) };
}

/** The servers and users that the kubeconfig and the daemon know. */
function namesIn(
  kubeconfig: { readonly kubeconfig?: string },
  { status }: ReportRequest,
): { servers: string[]; users: string[] } {
  const connected = status?.clusters.map(({ cluster }) => cluster) ?? [];
  const servers = connected.map(({ server }) => server), users = connected.map(({ user }) => user);
  try {
    const config = loadKubeconfig(kubeconfig);
    servers.push(...Array.from(config.clusters.values(), ({ server }) => server));
    users.push(...config.users.keys());
  } catch { /* doctor has found that it can't be read */ }
  return { servers, users };
}
