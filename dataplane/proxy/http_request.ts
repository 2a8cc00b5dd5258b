/** What a client of the proxy asks for: CONNECT, or a request in absolute form (RFC 9112 §3.2); nothing that a web page can send. */
import { type Field, type RequestHead, valuesOf } from "../../http/head.ts";
import { parseTarget, type Target } from "./target.ts";

export type ProxyRequest =
  | { readonly kind: "connect"; readonly target: Target }
  | {
    readonly kind: "forward";
    readonly target: Target;
    /** The target in origin form: "/path?query", or "*". */
    readonly path: string;
    /** As the client wrote it, for `Host`. */
    readonly authority: string;
  }
  | { readonly kind: "refused"; readonly status: number; readonly why: string };

/** Whether a host is the cluster's. */
export type IsOurs = (host: string) => boolean | Promise<boolean>;

/**
 * Reads a request head.
 *
 * Web pages can make a browser send requests to loopback: by its address, or by a name of theirs that leads there. Such requests are
 * in origin form, which a proxy has no use for. In a browser that uses this proxy, pages of the internet must not reach into the
 * cluster either: a request whose `Origin` is no name of the cluster is refused.
 */
export async function readProxyRequest(head: RequestHead, isOurs: IsOurs): Promise<ProxyRequest> {
  const { method, target, fields } = head;
  const origins = valuesOf(fields, "origin");
  if (method === "CONNECT") {
    const to = parseTarget(target);
    if (!to) return refused(400, `CONNECT wants a host and a port, not "${target}"`);
    if (origins.length > 0) {
      return refused(403, "a CONNECT has no Origin: it doesn't come from where it should");
    }
    return { kind: "connect", target: to };
  }

  const match = /^http:\/\/([^/?#]+)([/?][^#]*)?$/i.exec(target);
  const authority = match?.[1];
  if (authority === undefined) {
    return refused(
      400,
      "this is a proxy, no web server: use it as `curl --proxy` or HTTP_PROXY, for names like http://service.namespace.svc/",
    );
  }
  const to = parseTarget(authority, 80);
  if (!to) return refused(400, `"${authority}" is no host with a port`);
  const hosts = valuesOf(fields, "host");
  if (hosts.length > 1 || (hosts[0] !== undefined && !sameAuthority(hosts[0], to))) {
    return refused(400, `the request is for ${authority}, its Host field says something else`);
  }
  for (const origin of origins) {
    if (!await isTrusted(origin, to, isOurs)) {
      return refused(403, "a page from outside the cluster may not call into it");
    }
  }
  return { kind: "forward", target: to, path: originForm(method, match?.[2] ?? ""), authority };
}

const refused = (status: number, why: string): ProxyRequest => ({ kind: "refused", status, why });

function sameAuthority(host: string, target: Target): boolean {
  const said = parseTarget(host, 80);
  return said !== undefined && said.port === target.port &&
    said.host.toLowerCase() === target.host.toLowerCase();
}

async function isTrusted(origin: string, target: Target, isOurs: IsOurs): Promise<boolean> {
  const authority = /^https?:\/\/([^/?#]+)$/i.exec(origin)?.[1];
  const from = authority === undefined ? undefined : parseTarget(authority, 80);
  return from !== undefined &&
    (from.host.toLowerCase() === target.host.toLowerCase() || await isOurs(from.host));
}

/** RFC 9112 §3.2.1, and §3.2.4 for OPTIONS. */
function originForm(method: string, path: string): string {
  if (path === "" && method === "OPTIONS") return "*";
  return path.startsWith("/") ? path : `/${path}`;
}

/** Whether the client's connection stays for another request (RFC 9112 §9.3). */
export function keepsAlive(minor: 0 | 1, members: readonly string[]): boolean {
  if (members.includes("close")) return false;
  return minor === 1 || members.includes("keep-alive");
}

/** The fields of a forwarded request: `Host` first, as the target named it; one exchange a connection. */
export function forwardedFields(fields: readonly Field[], authority: string): Field[] {
  const rest = fields.filter(([name]) => name.toLowerCase() !== "host");
  return [["Host", authority], ...rest, ["Connection", "close"]];
}
