/** What the proxy itself answers, instead of a target. */
import { formatProxyStatus, proxyErrors } from "../../wire/streams.ts";
import { connectionLine } from "./forwarded_head.ts";
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

const encoder = new TextEncoder();

/** The answer to a CONNECT whose target is connected. */
export const established: Uint8Array = encoder.encode("HTTP/1.1 200 Connection established\r\n\r\n");

export interface AnswerOptions {
  /** Whether the client's connection persists; it's closed else. */
  readonly stays?: boolean;
  /** The client's version is HTTP/1.0 or HTTP/1.1. */
  readonly minor?: 0 | 1;
  /** For a HEAD request. */
  readonly withoutBody?: boolean;
  /** Field lines, each with its CRLF. */
  readonly fields?: string;
}

/** An answer of the proxy's own, for a person to read. */
export function plainAnswer(status: number, text: string, options: AnswerOptions = {}): Uint8Array {
  const { stays = false, minor = 1, withoutBody = false, fields = "" } = options;
  const body = `pmz: ${text}\n`;
  return encoder.encode(
    `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}\r\n` +
      "Content-Type: text/plain; charset=utf-8\r\n" +
      `Content-Length: ${encoder.encode(body).length}\r\n` +
      `Cache-Control: no-store\r\n${fields}${connectionLine(stays, minor)}\r\n${withoutBody ? "" : body}`,
  );
}

/** The answer for a target that can't be reached (RFC 9209). */
export function targetAnswer(error: ProxyTargetError, options: AnswerOptions = {}): Uint8Array {
  const { kind, message } = error;
  const fields = `Proxy-Status: ${formatProxyStatus("pmz", kind, message)}\r\n`;
  return plainAnswer(proxyErrors[kind], message, { ...options, fields });
}
