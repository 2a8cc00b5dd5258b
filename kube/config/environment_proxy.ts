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
  env: ReadVariable,
): string | undefined {
  const proxy = read(env, server.tls ? "HTTPS_PROXY" : "HTTP_PROXY");
  if (!proxy || isLoopback(server.hostname) || isExcepted(server, env)) return undefined;
  return proxyUrlOf(proxy);
}

/**
 * Whether Deno's fetch may take a proxy of the environment for a server that {@linkcode environmentProxy} finds none for: fetch reads
 * ALL_PROXY too, and has no exception for loopback addresses.
 */
export function fetchTakesProxy({ hostname }: Pick<ApiServerAccess, "hostname">, env: ReadVariable): boolean {
  if (read(env, "ALL_PROXY")) return true;
  return isLoopback(hostname) && (read(env, "HTTPS_PROXY") || read(env, "HTTP_PROXY")) !== "";
}

/** Whether NO_PROXY says that a server is reached without a proxy. */
export function isExcepted(
  { hostname, port }: Pick<ApiServerAccess, "hostname" | "port">,
  env: ReadVariable,
): boolean {
  const host = hostname.toLowerCase();
  const entries = read(env, "NO_PROXY").toLowerCase().split(/[,\s]+/).filter(Boolean);
  return entries.some((entry) => excludes(entry, host, port));
}

/** The URL of a proxy as a variable has it, where `http://` may be left out. */
export function proxyUrlOf(proxy: string): string {
  return /^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** Reads a variable of the environment. */
type ReadVariable = (name: string) => string | undefined;

function read(env: ReadVariable, name: string): string {
  return env(name) || env(name.toLowerCase()) || "";
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
