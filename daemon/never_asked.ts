/** Characters of /etc/hosts that are read: lists that block advertisements are long. */
const LONGEST = 8 << 20;
/** Names that systemd's nss-myhostname and nss-resolve answer themselves (man 8 nss-myhostname). */
const SYSTEMD = new Set(["_gateway", "_outbound", "_localdnsstub", "_localdnsproxy"]);

/**
 * Why programs never ask a nameserver for a name, so that a domain of the user's would never answer; undefined when they do.
 * @param domain lower case, without a dot at its end; "*." before one for all below it
 * @param hosts the names in /etc/hosts
 */
export function whyNeverAsked(domain: string, hosts: ReadonlySet<string>): string | undefined {
  const last = domain.split(".").at(-1) ?? "";
  // A host whose last label is a number is an IPv4 address to browsers (WHATWG URL §3.5), and to inet_aton.
  if (/^([0-9]+|0x[0-9a-f]*)$/.test(last)) return "programs take it for an address, and ask no nameserver";
  if (last === "onion") return "programs ask no nameserver for names under onion (RFC 7686)";
  if (SYSTEMD.has(domain)) return "systemd answers it";
  if (hosts.has(domain)) return "/etc/hosts has it, and programs look there first";
  return undefined;
}

/** The names in the text of a hosts file (man 5 hosts). */
export function namesInHosts(text: string): ReadonlySet<string> {
  return new Set(
    text.slice(0, LONGEST).split("\n").flatMap((line) => {
      const [, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
      return names.map((name) => name.toLowerCase().replace(/\.$/, ""));
    }),
  );
}

/** The names in this machine's hosts file; none where it can't be read. */
export function readHosts(path = "/etc/hosts"): ReadonlySet<string> {
  try {
    return namesInHosts(Deno.readTextFileSync(path));
  } catch {
    return new Set();
  }
}
