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

/** The RFC 9209 error type of a failed dial; `proxy_internal_error` for codes without one. */
export function dialErrorType(error: unknown): ProxyError {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  return errors[code] ?? "proxy_internal_error";
}
