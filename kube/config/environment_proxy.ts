import { parseAddress } from "../../net/address.ts";
import { contains, parseRange } from "../../net/range.ts";
import type { ApiServerAccess } from "../client/access.ts";

const loopback = ["127.0.0.0/8", "::1/128"].map(parseRange).filter((range) => range !== undefined);

/**
 * Finds the proxy for a server in HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as kubectl reads them
 * (Go's net/http ProxyFromEnvironment: lower case too; no proxy for localhost and loopback addresses).
 *
 * @returns the proxy's URL; undefined where the server is reached directly
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
  const address = parseAddress(host);
  if (entry.includes("/")) {
    const range = parseRange(entry);
    return address !== undefined && range !== undefined && contains(range, address);
  }
  const parts = /^(.*[^:]):(\d+)$/.exec(entry.startsWith("[") || entry.split(":").length === 2 ? entry : "");
  if (parts && Number(parts[2]) !== port) return false;
  const name = (parts?.[1] ?? entry).replace(/^\[|\]$/g, "").replace(/^\*/, "");
  const excluded = parseAddress(name);
  if (excluded) return excluded.text === address?.text;
  if (name.startsWith(".")) return host.endsWith(name);
  return host === name || host.endsWith(`.${name}`);
}

function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  return host === "localhost" || address !== undefined && loopback.some((range) => contains(range, address));
}
