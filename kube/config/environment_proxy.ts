import type { ApiServerAccess } from "../client/access.ts";

/**
 * The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for a server, as kubectl reads them
 * (Go's net/http ProxyFromEnvironment: lower case too; no proxy for localhost and loopback addresses).
 *
 * @returns undefined for none.
 */
export function environmentProxy(
  server: Pick<ApiServerAccess, "tls" | "hostname" | "port">,
  env: (name: string) => string | undefined,
): string | undefined {
  const read = (name: string) => env(name) || env(name.toLowerCase()) || "";
  const proxy = read(server.tls ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (!proxy || isLoopback(server.hostname)) return undefined;
  const host = server.hostname.toLowerCase();
  for (const entry of read("NO_PROXY").toLowerCase().split(/[,\s]+/).filter(Boolean)) {
    if (excludes(entry, host, server.port)) return undefined;
  }
  return /^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

function excludes(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return inPrefix(host, entry);
  const parts = /^(.*[^:]):(\d+)$/.exec(entry.startsWith("[") || entry.split(":").length === 2 ? entry : "");
  if (parts && Number(parts[2]) !== port) return false;
  const name = (parts?.[1] ?? entry).replace(/^\[|\]$/g, "").replace(/^\*/, "");
  if (name.startsWith(".")) return host.endsWith(name);
  return host === name || host.endsWith(`.${name}`);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** IPv4 only: an IPv6 prefix in NO_PROXY excludes nothing. */
function inPrefix(host: string, prefix: string): boolean {
  const [network = "", length = ""] = prefix.split("/");
  const address = ipv4Of(host), base = ipv4Of(network), bits = Number(length);
  if (address === undefined || base === undefined || !/^\d+$/.test(length) || bits > 32) return false;
  const size = 2 ** (32 - bits);
  return Math.floor(address / size) === Math.floor(base / size);
}

function ipv4Of(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (!parts || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}
