import type { ProxyError } from "../../wire/streams.ts";

/** The error types of RFC 9209 for the kernel's names of a failed connect. */
const errors: Readonly<Record<string, ProxyError>> = {
  ECONNREFUSED: "connection_refused",
  ECONNRESET: "connection_refused",
  ETIMEDOUT: "connection_timeout",
  EHOSTUNREACH: "destination_ip_unroutable",
  ENETUNREACH: "destination_ip_unroutable",
  EHOSTDOWN: "destination_ip_unroutable",
  ENETDOWN: "destination_ip_unroutable",
  EADDRNOTAVAIL: "connection_limit_reached",
  EMFILE: "connection_limit_reached",
  ENFILE: "connection_limit_reached",
  ENOBUFS: "connection_limit_reached",
  ENOMEM: "connection_limit_reached",
};

const UNREACHABLE =
  "unreachable from the gateway: the Service may have no such port or no ready endpoint, or its endpoint is gone";

/** What a failed connect means in a cluster. A Service's address is dialled as it is, so its pods are behind it. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused: no ready endpoint, or no process listens on this port",
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
};

/** Why a dial failed, for people. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = (error instanceof Error ? error.message : String(error)).replace(/ \(os error \d+\)$/, "");
  if (code === "ETIMEDOUT") {
    return `${message}: a policy of the cluster or a dead endpoint may drop its packets`;
  }
  return reasons[code] ?? message;
}

/** The RFC 9209 error type of a failed dial; `proxy_internal_error` for codes without one. */
export function dialErrorType(error: unknown): ProxyError {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  return errors[code] ?? "proxy_internal_error";
}
