import { type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import { parseFlowId } from "../../wire/flow.ts";
import { formatProxyStatus, headers, type ProxyError, proxyErrors } from "../../wire/streams.ts";
import { dialErrorType, reasonOf } from "./dial_error.ts";

/** How a stream ended, for the log: nothing of what it carried. */
export interface ServedEnd {
  readonly target: string;
  /** Why it failed; undefined when it was carried to its end. */
  readonly error?: ProxyError | "broken";
  readonly details?: string;
  /** Whose end broke, of a connection that broke. */
  readonly by?: "laptop" | "target";
  /** The flow's id, as the laptop logs it. Only of streams that failed. */
  readonly flow?: string;
  /** Our end of the connection to the target, which a relay logs as its caller. Only of connections that broke. */
  readonly local?: string;
  readonly out: number;
  readonly in: number;
}

/** Why a target isn't reached. */
export interface Failed {
  readonly error: ProxyError;
  readonly details: string;
}

export function failed(error: ProxyError, details: string): Failed {
  return { error, details };
}

/** @param what what couldn't be done: "can't connect to" */
export function unreached({ address, port }: Endpoint, error: unknown, what: string): Failed {
  return failed(dialErrorType(error), `${what} ${formatEndpoint(address.text, port)}: ${reasonOf(error)}`);
}

/** The target that a stream names. */
export function targetOf(stream: Stream): string {
  return headerValue(stream.request, ":authority") ?? "";
}

/** The end with the flow's id, where it failed. */
export function withFlow(stream: Stream, end: ServedEnd): ServedEnd {
  if (end.error === undefined) return end;
  const flow = parseFlowId(headerValue(stream.request, headers.flow));
  return flow === undefined ? end : { ...end, flow };
}

/** Answers a stream with the reason why its target isn't reached. @param more further headers of the answer */
export function refuse(stream: Stream, { error, details }: Failed, more: readonly Header[] = []): ServedEnd {
  const status: Header = [":status", String(proxyErrors[error])];
  const why: Header = [headers.proxyStatus, formatProxyStatus("pmz-gateway", error, details)];
  stream.respond([status, why, ...more], { end: true });
  // What the laptop sent with its CONNECT is dropped, and it need not send more.
  stream.close();
  return { target: targetOf(stream), error, details, out: 0, in: 0 };
}
