import { parseAddress } from "../net/address.ts";
import { contains } from "../net/range.ts";
import { isLinkLocal, privateRanges } from "../net/special_ranges.ts";
import { TimeLimit } from "../async/time_limit.ts";

/** How long `ip` may take, in milliseconds, and how many of its lines are kept. */
const IP_MS = 5_000;
const MOST_LINES = 1_000;
/** Fields of os-release that name the distribution (`man 5 os-release`). */
const DISTRIBUTION = ["ID", "ID_LIKE", "VERSION_ID", "VARIANT_ID", "PRETTY_NAME"];
/** Options of resolv.conf without a value, or with a number (`man 5 resolv.conf`). */
const OPTION =
  /^(?:(?:ndots|timeout|attempts):\d{1,3}|rotate|no-check-names|inet6|edns0|single-request(?:-reopen)?|no-tld-query|use-vc|no-reload|trust-ad|debug|no-aaaa)$/;

/** What is known of this machine without root, and without what is its owner's own. */
export interface MachineFacts {
  readonly kernel: string;
  readonly arch: string;
  readonly glibc?: string;
  readonly distribution: Readonly<Record<string, string>>;
  readonly resolver: ResolverShape;
  /** Modules of the kernel that filter packets; nothing where they are built in. */
  readonly packetFilters: readonly string[];
}

/** What resolv.conf is like: neither its addresses nor its domains. */
export interface ResolverShape {
  /** Where it is a link to, such as "/run/systemd/resolve/stub-resolv.conf". */
  readonly link?: string;
  /** Of each nameserver: "loopback (127.0.0.53)", "private", "link-local", "public". */
  readonly nameservers: readonly string[];
  /** Labels of each search domain. */
  readonly searchLabels: readonly number[];
  readonly options: readonly string[];
}

export interface MachineParts {
  readonly glibc: string | undefined;
  /** Where a program of the system is; undefined where it isn't. */
  findProgram(name: "ip"): string | undefined;
  readText(path: string): string | undefined;
  readLink(path: string): string | undefined;
}

export function machineFacts(parts: MachineParts): MachineFacts {
  return {
    kernel: Deno.osRelease(),
    arch: Deno.build.arch,
    ...(parts.glibc === undefined ? {} : { glibc: parts.glibc }),
    distribution: distribution(parts.readText("/etc/os-release") ?? ""),
    resolver: resolverShape(parts.readText("/etc/resolv.conf") ?? "", parts.readLink("/etc/resolv.conf")),
    packetFilters: packetFilters(parts.readText("/proc/modules") ?? ""),
  };
}

export function distribution(text: string): Record<string, string> {
  const fields = text.split("\n").flatMap((line): [string, string][] => {
    const [, name = "", value = ""] = /^([A-Z_]+)=["']?([^"']{1,100})/.exec(line) ?? [];
    return DISTRIBUTION.includes(name) ? [[name, value]] : [];
  });
  return Object.fromEntries(fields);
}

export function resolverShape(text: string, link: string | undefined): ResolverShape {
  const lines = text.slice(0, 64 * 1024).split("\n").map((line) =>
    line.replace(/[#;].*/, "").trim().split(/\s+/)
  );
  const valuesOf = (...names: string[]) =>
    lines.flatMap(([name = "", ...values]) => names.includes(name) ? values : []);
  return {
    ...(link !== undefined && /^[./]*(?:run|etc)\/[\w./-]+$/.test(link) ? { link } : {}),
    nameservers: valuesOf("nameserver").slice(0, 16).map(kindOf),
    searchLabels: valuesOf("search", "domain").slice(0, 64).map((domain) => domain.split(".").length),
    options: valuesOf("options").slice(0, 64).filter((option) => OPTION.test(option)),
  };
}

function kindOf(nameserver: string): string {
  const address = parseAddress(nameserver.split("%")[0] ?? "");
  if (!address) return "not an address";
  if (address.text.startsWith("127.") || address.text === "::1") return `loopback (${address.text})`;
  if (isLinkLocal(address)) return "link-local";
  return privateRanges.some((range) => contains(range, address)) ? "private" : "public";
}

function packetFilters(text: string): string[] {
  return text.split("\n").map((line) => line.split(" ")[0] ?? "").filter((name) =>
    /^(?:nf_|nft_|ip6?_?tables?|ip6?table_|xt_|x_tables|ebtables|bpfilter)/.test(name) && name.length < 64
  ).sort();
}

/** The routing rules and routes of both families, as `ip` prints them; pmz's own many routes are counted. */
export async function routing(parts: MachineParts): Promise<string> {
  const ip = parts.findProgram("ip");
  if (ip === undefined) return "ip is not installed\n";
  const asked = [
    ["-4", "rule"],
    ["-6", "rule"],
    ["-4", "route", "show", "table", "all"],
    ["-6", "route", "show", "table", "all"],
  ];
  const printed = await Promise.all(
    asked.map(async (args) => `$ ip ${args.join(" ")}\n${await output(ip, args)}`),
  );
  return printed.join("\n");
}

async function output(program: string, args: readonly string[]): Promise<string> {
  using limit = new TimeLimit(IP_MS);
  try {
    const { stdout } = await new Deno.Command(program, {
      args: [...args],
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      signal: limit.signal,
    }).output();
    return relevantLines(new TextDecoder().decode(stdout));
  } catch (error) {
    return `${error instanceof Error ? error.message : error}\n`;
  }
}

/** Without the kernel's own routes, and with pmz's counted. */
export function relevantLines(text: string): string {
  const lines = text.split("\n").filter((line) =>
    line.trim() !== "" && !/^(?:local|broadcast|anycast|multicast) /.test(line)
  );
  const own = lines.filter((line) => / dev pmz\d+ /.test(`${line} `));
  const others = lines.filter((line) => !own.includes(line));
  const kept = others.slice(0, MOST_LINES);
  const more = others.length > kept.length ? [`(${others.length - kept.length} more)`] : [];
  const counted = own.length > 0 ? [`(${own.length} routes of pmz's own device)`] : [];
  return [...kept, ...more, ...counted].map((line) => `${line}\n`).join("");
}
