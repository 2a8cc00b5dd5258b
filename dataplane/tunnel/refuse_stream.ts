import type { Header, Stream } from "../../hbone/mod.ts";
import { formatProxyStatus, headers, type ProxyError, proxyErrors } from "../../wire/streams.ts";

/** Refuses a stream of a reversed tunnel, with the reason (RFC 9209). */
export function refuseStream(stream: Stream, error: ProxyError, details: string): void {
  const answer: Header[] = [
    [":status", String(proxyErrors[error])],
    [headers.proxyStatus, formatProxyStatus("pmz-laptop", error, details)],
  ];
  try {
    stream.respond(answer, { end: true });
    stream.close();
  } catch {
    stream.abort();
  }
}
