/** Where a connection is to go: HOST[:PORT][/udp], or a URL. */
export interface ExplainTarget {
  /** A name or an address. */
  readonly host: string;
  readonly port?: number;
  readonly protocol: "tcp" | "udp";
}

const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*$/i;
const IPV6 = /^[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*$/i;
/** Ports of URLs, by their scheme. */
const schemes: Readonly<Record<string, number>> = { "http:": 80, "https:": 443, "ws:": 80, "wss:": 443 };

/** Reads "echo.default.svc:80", "10.96.1.2", "[fd00::1]:80", "kube-dns.kube-system.svc:53/udp", "http://echo.default.svc/"; undefined when it isn't one. */
export function parseExplainTarget(input: string): ExplainTarget | undefined {
  if (input.includes("://")) return parseUrl(input);
  const [, place = "", protocol] = /^(.*?)(?:\/(tcp|udp))?$/s.exec(input) ?? [];
  const parsed = IPV6.test(place) ? { host: place } : parsePlace(place);
  return parsed && { ...parsed, protocol: protocol === "udp" ? "udp" : "tcp" };
}

function parsePlace(place: string): Pick<ExplainTarget, "host" | "port"> | undefined {
  const [, six, name, given] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]{1,5}))?$/s.exec(place) ?? [];
  if (six === undefined && name === undefined) return undefined;
  const host = (six ?? name ?? "").replace(/\.$/, "");
  if (!(six === undefined ? NAME : IPV6).test(host)) return undefined;
  if (given === undefined) return { host };
  const port = Number(given);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

function parseUrl(input: string): ExplainTarget | undefined {
  if (!URL.canParse(input)) return undefined;
  const { protocol, hostname, port } = new URL(input);
  const parsed = parsePlace(hostname);
  const number = port === "" ? schemes[protocol] : Number(port);
  return parsed && { host: parsed.host, ...number === undefined ? {} : { port: number }, protocol: "tcp" };
}
