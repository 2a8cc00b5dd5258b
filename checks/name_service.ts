import { type Check, ok, warning } from "./check.ts";
import type { CheckParts, NameServicePaths } from "./parts.ts";
import type { Finding } from "../wire/doctor.ts";

/** How the C library of this machine looks up names. */
export interface NameServiceFacts {
  /** The text of nsswitch.conf; undefined when the file is missing (musl reads no such file). */
  readonly nsswitch: string | undefined;
  readonly resolvedRuns: boolean;
  /** nscd runs, and answers for hosts. */
  readonly nscdAnswers: boolean;
}

const PROXY = "`pmz up --proxy`";

/**
 * Whether programs look up names by asking the nameservers of resolv.conf, which pmz's hooks see, and not by asking a
 * daemon over a socket of its own, which they don't (`man 5 nsswitch.conf`).
 */
export const nameService: Check<Pick<CheckParts, "nameService" | "resolver">> = {
  id: "name-service",
  title: "Name service",
  severity: "warning",
  needs: [],
  remedy: "Look at /etc/nsswitch.conf and /etc/resolv.conf.",
  run: async ({ nameService, resolver }) => {
    const { nameservers } = await resolver();
    return [...judgeNameService(await readFacts(nameService)), ...judgeNameservers(nameservers)];
  },
};

/** Says which sources are asked, and which of them pmz can't answer for. Pure. */
export function judgeNameService({ nsswitch, resolvedRuns, nscdAnswers }: NameServiceFacts): Finding[] {
  const sources = hostSources(nsswitch);
  const names = sources?.map(({ name }) => name) ?? ["files", "dns"];
  const findings: Finding[] = [
    ok(
      sources
        ? `nsswitch.conf looks up hosts by: ${sources.map(({ name, actions }) => name + actions).join(" ")}.`
        : "nsswitch.conf has no line for hosts: the C library reads /etc/hosts, then asks the nameservers.",
    ),
  ];
  const [resolve, dns] = [names.indexOf("resolve"), names.indexOf("dns")];
  const asksResolved = resolvedRuns && resolve >= 0 && (dns < 0 || resolve < dns);
  if (asksResolved) {
    findings.push(warning(
      "Programs ask systemd-resolved over a socket of its own, which pmz doesn't serve yet: they find no names of a cluster.",
      `Take \`resolve [!UNAVAIL=return]\` out of the line hosts: in /etc/nsswitch.conf, or use ${PROXY}.`,
    ));
  } else if (dns < 0) {
    findings.push(warning(
      "nsswitch.conf has neither dns nor a running systemd-resolved: programs find no names.",
      "Add dns to the line hosts: in /etc/nsswitch.conf.",
    ));
  }
  if (nscdAnswers) {
    findings.push(warning(
      "nscd answers for names here, as another user: programs find no names of a cluster.",
      `Stop it: sudo systemctl stop nscd.service nscd.socket. Or use ${PROXY}.`,
    ));
  }
  const hasMdnsFirst = sources?.some(({ name, actions }, at) =>
    /^mdns/.test(name) && at < dns && /NOTFOUND=return/i.test(actions)
  );
  if (hasMdnsFirst) {
    findings.push(warning(
      "mDNS answers first for names that end in .local, and may end the search there.",
      "Write SERVICE.NAMESPACE.svc, without cluster.local behind it.",
    ));
  }
  return findings;
}

/** Says which nameservers pmz can't answer for. Pure. */
export function judgeNameservers(
  nameservers: readonly { readonly address: string; readonly canRedirect: boolean }[],
): Finding[] {
  const list = (of: typeof nameservers) => of.map(({ address }) => address).join(", ");
  const unseen = nameservers.filter(({ canRedirect }) => !canRedirect);
  const asked = ok(`resolv.conf names ${list(nameservers)}.`);
  if (unseen.length === 0) return [asked];
  const [saw, effect] = unseen.length === nameservers.length
    ? ["All nameservers are link-local", "no name of a cluster is found"]
    : [`The nameserver ${list(unseen)} is link-local`, "programs that ask it find no names of a cluster"];
  return [
    asked,
    warning(
      `${saw}, which pmz can't answer for: ${effect}.`,
      `Put another nameserver first in /etc/resolv.conf, or use ${PROXY}.`,
    ),
  ];
}

/** The sources of the line `hosts:`, each with the [actions] that follow it. */
function hostSources(nsswitch: string | undefined): { name: string; actions: string }[] | undefined {
  const line = nsswitch?.split("\n").map((text) => text.replace(/#.*/, "").trim()).findLast((text) =>
    text.startsWith("hosts:")
  );
  if (line === undefined) return undefined;
  const sources: { name: string; actions: string }[] = [];
  for (const [token] of line.slice("hosts:".length).matchAll(/\[[^\]]*\]|[^\s[\]]+/g)) {
    const last = sources.at(-1);
    if (!token.startsWith("[")) sources.push({ name: token, actions: "" });
    else if (last) last.actions += ` ${token}`;
  }
  return sources;
}

async function readFacts(paths: NameServicePaths): Promise<NameServiceFacts> {
  const read = (path: string) => Deno.readTextFile(path).catch(() => undefined);
  const [nsswitch, resolvedRuns, nscdRuns, nscdConf = ""] = await Promise.all([
    read(paths.nsswitch),
    Deno.stat(paths.resolved).then(() => true, () => false),
    answers(paths.nscd),
    read(paths.nscdConf),
  ]);
  const leavesHosts = /^\s*enable-cache\s+hosts\s+no\b/m.test(nscdConf);
  return { nsswitch, resolvedRuns, nscdAnswers: nscdRuns && !leavesHosts };
}

/** Whether a program listens on a socket: nscd leaves its own behind when it is killed. */
async function answers(path: string): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ transport: "unix", path });
    return true;
  } catch {
    return false;
  }
}
