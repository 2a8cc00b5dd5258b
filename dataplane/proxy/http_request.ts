/** What a client of the proxy asks for: CONNECT, or a request in absolute form (RFC 9112 §3.2); nothing that a web page can send. */
import { requestBodyLength } from "../../http/body_length.ts";
import { valuesOf } from "../../http/field_lines.ts";
import type { RequestHead } from "../../http/head.ts";
import { hopsLeft } from "./forwarded_head.ts";
import { parseTarget, type ProxyTarget } from "./target.ts";

export type ProxyRequest =
  | { readonly kind: "connect"; readonly target: ProxyTarget }
  | {
    readonly kind: "forward";
    readonly target: ProxyTarget;
    /** The target in origin form: "/path?query", or "*". */
    readonly path: string;
    /** As the client wrote it, for `Host`. */
    readonly authority: string;
  }
  | { readonly kind: "refused"; readonly status: number; readonly why: string };

/** Whether a host is the cluster's. */
export type IsOurs = (host: string) => boolean;

/**
 * Reads what a request's head asks for.
 *
 * Web pages can make a browser send requests to loopback: by its address, or by a name of theirs that leads there. Such requests are
 * in origin form, which a proxy has no use for. In a browser that uses this proxy, pages of the internet must not reach into the
 * cluster either: a request whose `Origin` is not a name of the cluster is refused, and so is one that a page elsewhere has made for
 * an image, a script or a form, as far as the browser says so (`Referer`, `Sec-Fetch-Site`). A link that leads here may be followed.
 *
 * @throws {HttpFormatError} when the body of a CONNECT can't be delimited
 */
export function readProxyRequest(head: RequestHead, isOurs: IsOurs): ProxyRequest {
  const { method, target, fields, minor } = head;
  const origins = valuesOf(fields, "origin");
  if (method === "CONNECT") {
    const to = parseTarget(target);
    if (!to) return refused(400, `"${target}" is not a valid target of CONNECT: expected HOST:PORT`);
    if (origins.length > 0) {
      return refused(403, "a CONNECT with an Origin does not come from a browser's own proxy setting");
    }
    // One parser takes what follows for a body, another for the tunnel's bytes.
    const body = requestBodyLength(head);
    if (body.kind !== "length" || body.length > 0) {
      return refused(400, "a CONNECT has no body");
    }
    return { kind: "connect", target: to };
  }

  const match = /^http:\/\/([^/?#]+)([/?][^#]*)?$/i.exec(target);
  const authority = match?.[1];
  if (authority === undefined) {
    return refused(
      400,
      "this is a proxy, not a web server: use it as `curl --proxy` or HTTP_PROXY, for names like http://service.namespace.svc/",
    );
  }
  const to = parseTarget(authority, 80);
  if (!to) return refused(400, `"${authority}" is not a valid host: expected HOST or HOST:PORT`);
  const [host, ...more] = valuesOf(fields, "host");
  // RFC 9112 §3.2.
  if (minor === 1 && host === undefined) return refused(400, "an HTTP/1.1 request needs a Host field");
  if (more.length > 0 || (host !== undefined && host !== authority && !sameAuthority(host, to))) {
    return refused(400, `the request is for ${authority}, its Host field says something else`);
  }
  for (const origin of origins) {
    if (!isTrusted(origin, to, isOurs)) {
      return refused(403, "a page from outside the cluster may not call into it");
    }
  }
  if (!isNavigation(head) && comesFromElsewhere(head, to, isOurs)) {
    return refused(403, "a page from outside the cluster may not call into it");
  }
  if (hopsLeft(head) === 0) {
    return refused(501, `Max-Forwards is 0, and the proxy itself does not answer ${method}`);
  }
  return { kind: "forward", target: to, path: originForm(method, match?.[2] ?? ""), authority };
}

const refused = (status: number, why: string): ProxyRequest => ({ kind: "refused", status, why });

function sameAuthority(host: string, target: ProxyTarget): boolean {
  const said = parseTarget(host, 80);
  return said !== undefined && said.port === target.port &&
    said.host.toLowerCase() === target.host.toLowerCase();
}

function isTrusted(origin: string, target: ProxyTarget, isOurs: IsOurs): boolean {
  const authority = /^https?:\/\/([^/?#]+)$/i.exec(origin)?.[1];
  const from = authority === undefined ? undefined : parseTarget(authority, 80);
  return from !== undefined &&
    (from.host.toLowerCase() === target.host.toLowerCase() || isOurs(from.host));
}

/** Whether the browser goes to the page itself: scripts can't set that field without a preflight, which has an `Origin`. */
function isNavigation({ method, fields }: RequestHead): boolean {
  return method === "GET" && valuesOf(fields, "upgrade-insecure-requests").includes("1");
}

function comesFromElsewhere({ fields }: RequestHead, target: ProxyTarget, isOurs: IsOurs): boolean {
  const referers = valuesOf(fields, "referer");
  const sites = valuesOf(fields, "sec-fetch-site");
  const isOurPage = referers.length > 0 && referers.every((referer) => {
    const origin = /^https?:\/\/[^/?#]+/i.exec(referer)?.[0] ?? "";
    return isTrusted(origin, target, isOurs);
  });
  return referers.length > 0 && !isOurPage || !isOurPage && sites.includes("cross-site");
}

/** RFC 9112 §3.2.1, and §3.2.4 for OPTIONS. */
function originForm(method: string, path: string): string {
  if (path === "" && method === "OPTIONS") return "*";
  return path.startsWith("/") ? path : `/${path}`;
}
