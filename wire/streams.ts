/**
 * The headers of a tunnel's streams: of the CONNECT (RFC 9113 §8.5) and of its answer.
 *
 * Out, laptop to gateway: `:authority` is the Service's or pod's address and port, as the user's program dialled it.
 * In, relay to laptop: `:authority` is "RULE-UID:PORT", never an address; only the daemon knows the local target.
 * Extended CONNECT (RFC 8441): a stream for TCP has no `:protocol`; UDP, the hello and the key proof below have their own.
 */

/**
 * `:protocol` of a stream for one UDP flow (RFC 9298): its bytes are capsules (RFC 9297). `:authority` is the target as for TCP, and
 * `:path` names the same one by the RFC's template.
 */
export const UDP_PROTOCOL = "connect-udp";

/** The version of the tunnel's protocol (hello.ts) from which on a gateway carries UDP. */
export const UDP_TUNNEL_VERSION = 2;

/** `:path` for a target, "/.well-known/masque/udp/10.96.0.10/53/"; the colons of IPv6 are escaped (RFC 9298 §2). */
export function udpPath(address: string, port: number): string {
  return `/.well-known/masque/udp/${address.replaceAll(":", "%3A")}/${port}/`;
}

/** Pseudo-header values of `:protocol` on the reversed tunnel. */
export const PROOF_PROTOCOL = "pmz-proof";

/**
 * `:protocol` of a stream that only exchanges hellos (`:scheme` "https", `:path` "/", `:authority` "pmz"; END_STREAM at
 * once). The laptop's hello may also be in `headers.hello` of any first stream. The gateway's is in the answer, also when
 * the two don't agree (status 400).
 */
export const HELLO_PROTOCOL = "pmz-hello";

/** The names of pmz's headers. Their values are short and ASCII. */
export const headers = {
  /** On the first stream of each tunnel and its answer: a Hello, as JSON. */
  hello: "pmz-hello",
  /** In: the caller of an intercepted connection, "10.244.1.7:51234". */
  caller: "pmz-caller",
  /** In: the pod whose connection it is, "namespace/name". */
  pod: "pmz-pod",
  /** In: the pod's own address and port that the caller dialled, "10.244.1.9:8080". */
  destination: "pmz-destination",
  /** Both ways: the flow's id (flow.ts), as laptop, gateway and relay log it. */
  flow: "pmz-flow",
  /** On a stream for UDP and its answer: its bytes are capsules, "?1" (RFC 9297 §3.4). */
  capsuleProtocol: "capsule-protocol",
  /** What went wrong on the way to the target (RFC 9209). */
  proxyStatus: "proxy-status",
} as const;

/** The error types of RFC 9209 §2.3 that pmz uses, with their HTTP statuses. */
export const proxyErrors = {
  "connection_refused": 502,
  "connection_timeout": 504,
  "destination_ip_unroutable": 502,
  "destination_ip_prohibited": 403,
  "destination_not_found": 404,
  "connection_limit_reached": 503,
  "destination_unavailable": 503,
  /** The target ended the connection before it had answered. */
  "connection_terminated": 502,
  /** The target's answer is not valid HTTP. */
  "http_protocol_error": 502,
  /** The request is malformed: an authority without address and port, a hello of another protocol or version. */
  "http_request_error": 400,
  "proxy_internal_error": 500,
} as const;

export type ProxyError = keyof typeof proxyErrors;

/** The value of `proxy-status` (RFC 9209): `pmz; error=connection_refused; details="..."`. */
export function formatProxyStatus(proxy: string, error: ProxyError, details: string): string {
  const quoted = details.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&").slice(0, 256);
  return `${proxy}; error=${error}; details="${quoted}"`;
}

/** The error type and details of a `proxy-status`; undefined when its type is unknown to pmz. */
export function parseProxyStatus(value: string): { error: ProxyError; details: string } | undefined {
  const error = /;\s*error=([a-z_]+)/.exec(value)?.[1];
  if (!error || !Object.hasOwn(proxyErrors, error)) return undefined;
  const details = /;\s*details="((?:[^"\\]|\\.)*)"/.exec(value)?.[1] ?? "";
  return { error: error as ProxyError, details: details.replace(/\\(.)/g, "$1") };
}

/** The target of a CONNECT on a reversed tunnel: a rule and its Service port. */
export interface RuleTarget {
  readonly rule: string;
  readonly port: number;
}

/** "RULE-UID:PORT". */
export function formatRuleTarget(target: RuleTarget): string {
  return `${target.rule}:${target.port}`;
}

/** Parses "RULE-UID:PORT"; undefined when it isn't valid. */
export function parseRuleTarget(authority: string): RuleTarget | undefined {
  const match = /^([0-9a-f-]{36}):([1-9][0-9]{0,4})$/.exec(authority);
  const port = Number(match?.[2]);
  return match?.[1] && port < 65536 ? { rule: match[1], port } : undefined;
}
