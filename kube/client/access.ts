/**
 * How an API server is reached and as whom: plain data, so that it can be posted to a worker, which then
 * dials by itself without a Kubernetes library.
 */
export interface ApiServerAccess {
  /** False for a plain `http://` server (`kubectl proxy`). */
  readonly tls: boolean;
  /** Name or address, an IPv6 address without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** What precedes `/api`: empty, or like `/k8s/clusters/c-1` (no slash at the end). */
  readonly pathPrefix: string;
  /** The name the server's certificate is checked against, where it isn't `hostname` (kubeconfig's tls-server-name). */
  readonly servername?: string;
  /** PEM: the kubeconfig's CA, or what the system trusts; trusted in addition to the roots that Deno knows. */
  readonly caCerts: readonly string[];
  /** Whether the kubeconfig has no CA, so that the system's certificates count. */
  readonly trustsSystem?: boolean;
  /** Client certificate chain and key, PEM; both or neither. */
  readonly cert?: string;
  readonly key?: string;
  /** Sent with each request: authorization, impersonation. A list is a header for each of its values. Secret. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** The server's certificate isn't checked (kubeconfig's insecure-skip-tls-verify). */
  readonly insecure?: boolean;
  /** http://, https:// or socks5:// (also socks5h://), with user and password if any. */
  readonly proxyUrl?: string;
  /** This process's environment would lead Deno's fetch to another proxy than this access has, or past it. */
  readonly evadesFetchProxy?: boolean;
  /** What names the proxy: a variable of the environment, or the kubeconfig's `proxy-url`. */
  readonly proxySource?: string;
}

/** Tells how to reach the API server now. Tokens and certificates that expire are renewed. */
export interface AccessSource {
  /**
   * @param options.renew the server refused the last credentials (401): they are read, or asked for, again
   * @param options.reread the server couldn't be reached by the last access: it may have moved, or been made again
   * @throws when credentials can't be obtained (an exec plugin failed, a file is gone)
   */
  access(options?: { renew?: boolean; reread?: boolean }): Promise<ApiServerAccess>;
}

/** A cluster, as one of its users reaches it. */
export interface ClusterAccess extends AccessSource {
  /** The kubeconfig's context; `in-cluster` for a service account in a pod. */
  readonly context: string;
  /** URL of the API server. */
  readonly server: string;
  /** The context's namespace; `default` when it has none. */
  readonly namespace: string;
  /** The user's name in the kubeconfig, or the service account's: for people to read, not an identity. */
  readonly user: string;
  /** As in {@linkcode ApiServerAccess}. Secret where it has a password. */
  readonly proxyUrl?: string;
  /** See {@linkcode certificatesHash}; empty where no CA is given (publicly trusted servers, plain HTTP). */
  readonly caHash: string;
}

/** Splits a server's URL. @throws TypeError on anything but an http(s) URL. */
export function parseServer(
  server: string,
): Pick<ApiServerAccess, "tls" | "hostname" | "port" | "pathPrefix"> {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new TypeError(
      `"${server}" is not a valid server: expected an https:// or http:// URL. Correct clusters[].cluster.server in the kubeconfig.`,
    );
  }
  const tls = url.protocol === "https:";
  return {
    tls,
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? (tls ? 443 : 80) : Number(url.port),
    pathPrefix: url.pathname.replace(/\/+$/, ""),
  };
}

/** `host:port` as it stands in a URL and in a Host header. */
export function hostOf(access: Pick<ApiServerAccess, "hostname" | "port">): string {
  const host = access.hostname.includes(":") ? `[${access.hostname}]` : access.hostname;
  return `${host}:${access.port}`;
}

/** A server and the proxy on the way, for people: "https://api:6443 through the proxy http://proxy:3128 (HTTPS_PROXY)". */
export function describeWay(access: ApiServerAccess): string {
  const server = urlOf(access, "");
  const { proxyUrl, proxySource } = access;
  if (proxyUrl === undefined) return server;
  return `${server} through the proxy ${withoutUser(proxyUrl)}${proxySource ? ` (${proxySource})` : ""}`;
}

/** Whether two accesses lead to the same server by the same way, with the same certificates. */
export function isSameWay(one: ApiServerAccess, other: ApiServerAccess): boolean {
  const { headers: _headers, ...way } = one, { headers: _others, ...otherWay } = other;
  return JSON.stringify(way) === JSON.stringify(otherWay);
}

/** The URL of a proxy without the name and the password that it may have; a text that isn't a URL is left out. */
export function withoutUser(proxy: string): string {
  if (!URL.canParse(proxy)) return "a proxy";
  const { protocol, host } = new URL(proxy);
  return `${protocol}//${host}`;
}

/** The URL of a path below the server. */
export function urlOf(access: ApiServerAccess, path: string): string {
  return `${access.tls ? "https" : "http"}://${hostOf(access)}${access.pathPrefix}${path}`;
}

/**
 * SHA-256, in hex, of the certificates in some PEM text: of their DER, sorted, one after the other. For a single
 * certificate that is its usual fingerprint. The same CA gives the same hash however the PEM is laid out,
 * so a kubeconfig and a pod's `ca.crt` agree. Empty for a text without certificates.
 */
export async function certificatesHash(pem: string): Promise<string> {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g);
  const ders = [...new Set([...blocks].map((block) => atob((block[1] ?? "").replace(/\s+/g, ""))))].sort();
  if (ders.length === 0) return "";
  const bytes = Uint8Array.from(ders.join(""), (char) => char.charCodeAt(0));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
