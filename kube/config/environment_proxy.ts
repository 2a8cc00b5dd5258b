import { type IpAddress, parseAddress } from "../../net/address.ts";
import { contains, parseRange } from "../../net/range.ts";
import type { ApiServerAccess } from "../client/access.ts";
import type { ReadVariable } from "./command_environment.ts";

type Server = Pick<ApiServerAccess, "hostname" | "port">;

const loopback = ["127.0.0.0/8", "::1/128"].map(parseRange).filter((range) => range !== undefined);

/** A proxy, and the variable that names it. */
export interface EnvironmentProxy {
  readonly url: string;
  readonly variable: string;
}

/**
 * Finds the proxy for a server in HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as kubectl reads them (Go's net/http ProxyFromEnvironment): lower
 * case where upper case is absent or empty, never for localhost and loopback addresses, and never ALL_PROXY.
 *
 * @returns undefined where the server is reached directly
 */
export function environmentProxy(
  server: Server & Pick<ApiServerAccess, "tls">,
  env: ReadVariable,
): EnvironmentProxy | undefined {
  const name = server.tls ? "HTTPS_PROXY" : "HTTP_PROXY";
  const variable = [name, name.toLowerCase()].find((each) => env(each));
  const proxy = variable === undefined ? undefined : env(variable);
  if (variable === undefined || !proxy || isLoopback(server.hostname) || isExcepted(server, env)) {
    return undefined;
  }
  return { url: proxyUrlOf(proxy), variable };
}

/** Whether NO_PROXY says that a server is reached without a proxy. */
export function isExcepted({ hostname, port }: Server, env: ReadVariable): boolean {
  const host = hostname.toLowerCase();
  const address = parseAddress(host);
  const entries = (env("NO_PROXY") || env("no_proxy") || "").split(",").map((entry) =>
    entry.trim().toLowerCase()
  );
  return entries.some((entry) => entry !== "" && excepts(entry, { host, port, address }));
}

/** The URL of a proxy as a variable has it, where `http://` may be left out. */
export function proxyUrlOf(proxy: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/./i.test(proxy) ? proxy : `http://${proxy}`;
}

interface Place {
  readonly host: string;
  readonly port: number;
  /** Of a host that is an address. */
  readonly address: IpAddress | undefined;
}

/** One entry of NO_PROXY: `*`, a range, or an address or a domain, each with a port or without. */
function excepts(entry: string, { host, port, address }: Place): boolean {
  if (entry === "*") return true;
  const range = entry.includes("/") ? parseRange(entry) : undefined;
  if (range) return address !== undefined && contains(range, address);
  const { name, port: only } = splitPort(entry);
  if (name === "" || (only !== "" && only !== String(port))) return false;
  const excepted = parseAddress(name);
  if (excepted) return excepted.text === address?.text;
  if (address) return false;
  const domain = name.startsWith("*.") ? name.slice(1) : name;
  return domain.startsWith(".") ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

/** Splits as Go's net.SplitHostPort; without a port where that fails, as for an IPv6 address without brackets. */
function splitPort(entry: string): { readonly name: string; readonly port: string } {
  const parts = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(entry);
  return parts ? { name: parts[1] ?? parts[2] ?? "", port: parts[3] ?? "" } : { name: entry, port: "" };
}

function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  return host === "localhost" || address !== undefined && loopback.some((range) => contains(range, address));
}
