/** What the proxy itself answers, instead of a target. */
import { formatProxyStatus, proxyErrors } from "../../wire/streams.ts";
import { type Field, writeHead } from "../../http/head.ts";
import type { ProxyTargetError } from "./target.ts";

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** An answer of the proxy's own, for a person to read; the connection ends with it. */
export function plainAnswer(status: number, text: string, fields: readonly Field[] = []): Uint8Array {
  const body = new TextEncoder().encode(`pmz: ${text}\n`);
  const head = writeHead(`HTTP/1.1 ${status} ${reasons[status] ?? "Error"}`, [
    ["content-type", "text/plain; charset=utf-8"],
    ["content-length", `${body.length}`],
    ["cache-control", "no-store"],
    ["connection", "close"],
    ...fields,
  ]);
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}

/** The answer for a target that can't be reached (RFC 9209). */
export function targetAnswer({ kind, message }: ProxyTargetError): Uint8Array {
  return plainAnswer(proxyErrors[kind], message, [["proxy-status", formatProxyStatus("pmz", kind, message)]]);
}
