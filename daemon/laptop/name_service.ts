/**
 * How the laptop's C library looks names up (man 5 nsswitch.conf): by asking nameservers, which pmz's hooks see, or by asking
 * systemd-resolved over a socket of its own, which they don't. Decided from what was read, with a trace of why.
 */

export interface NameServiceFacts {
  /** The text of /etc/nsswitch.conf; undefined when there is none (musl has none at all). */
  readonly nsswitch: string | undefined;
  /** systemd-resolved runs: /run/systemd/resolve/io.systemd.Resolve is there. */
  readonly resolvedRuns: boolean;
}

export interface NameServicePlan {
  /** glibc asks systemd-resolved: it has to know of pmz by a link of its own. */
  readonly needsResolvedLink: boolean;
  /** Sources before `dns` that may end a search for a cluster's name, in words. */
  readonly warnings: readonly string[];
  /** Each decision, for `pmz doctor`. */
  readonly trace: readonly string[];
}

const RESOLVED_SOCKET = "/run/systemd/resolve/io.systemd.Resolve";

/** Decides from facts; pure. */
export function nameServicePlan({ nsswitch, resolvedRuns }: NameServiceFacts): NameServicePlan {
  const trace: string[] = [];
  const sources = hostSources(nsswitch);
  trace.push(
    sources
      ? `nsswitch.conf: hosts: ${sources.map(({ name, actions }) => name + actions).join(" ")}`
      : "nsswitch.conf has no line for hosts: files, then dns",
  );
  const names = sources?.map(({ name }) => name) ?? ["files", "dns"];
  const [resolve, dns] = [names.indexOf("resolve"), names.indexOf("dns")];
  const before = resolve >= 0 && (dns < 0 || resolve < dns);
  if (resolve < 0) trace.push("no `resolve`: the C library asks the nameservers of resolv.conf itself");
  else if (!before) trace.push("`resolve` comes after `dns`: the nameservers of resolv.conf are asked first");
  else if (!resolvedRuns) {
    trace.push("`resolve` comes first, but systemd-resolved doesn't run: `dns` is asked");
  } else {trace.push(
      "`resolve` comes first and systemd-resolved runs: it is asked, over a socket that pmz doesn't see",
    );}
  const needsResolvedLink = before && resolvedRuns;

  const warnings: string[] = [];
  if (dns < 0 && !needsResolvedLink) {
    warnings.push("nsswitch.conf names neither dns nor a running systemd-resolved: programs find no names");
  }
  const mdns = sources?.find(({ name, actions }, i) =>
    /^mdns/.test(name) && i < dns && /NOTFOUND=return/i.test(actions)
  );
  if (mdns) {
    trace.push(
      `\`${mdns.name}\` comes before \`dns\`: names that end in .local may never reach a nameserver`,
    );
    warnings.push(
      "mDNS may answer for names under .local, so prefer service.namespace.svc to ...svc.cluster.local",
    );
  }
  return { needsResolvedLink, warnings, trace };
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

/** Reads the facts of this machine. */
export async function readNameServiceFacts(): Promise<NameServiceFacts> {
  const [nsswitch, resolvedRuns] = await Promise.all([
    Deno.readTextFile("/etc/nsswitch.conf").catch(() => undefined),
    Deno.stat(RESOLVED_SOCKET).then(() => true, () => false),
  ]);
  return { nsswitch, resolvedRuns };
}
