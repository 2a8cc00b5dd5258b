import { type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import { headers, parseProxyStatus, type ProxyError } from "../../wire/streams.ts";
import type { Tunnel } from "./tunnel.ts";

/** The gateway refused to connect a stream. The message is what it said. */
export class TargetRefused extends Error {
  override name = "TargetRefused";
  readonly kind: ProxyError;

  constructor(kind: ProxyError, details: string) {
    super(details);
    this.kind = kind;
  }
}

/**
 * Opens a stream and waits until the gateway has connected it, for clients that are told before bytes flow.
 * @throws {TargetRefused} when the gateway refuses @throws {NoTunnel}
 */
export async function connectStream(
  tunnel: Pick<Tunnel, "open">,
  authority: string,
  options: { readonly flow?: string; readonly first?: Uint8Array } = {},
): Promise<Stream> {
  return await answeredStream(tunnel.open(authority, options));
}

/** Waits until the gateway has connected a stream. @throws as `connectStream` */
export async function answeredStream(opening: Stream | Promise<Stream>): Promise<Stream> {
  const stream = await opening;
  const answer = await stream.response;
  if (headerValue(answer, ":status") === "200") return stream;
  stream.abort();
  throw refusalOf(answer);
}

/** What a gateway says when it doesn't connect a stream: `proxy-status`, or at least a status. */
export function refusalOf(answer: readonly Header[]): TargetRefused {
  const said = parseProxyStatus(headerValue(answer, headers.proxyStatus) ?? "");
  return new TargetRefused(
    said?.error ?? "proxy_internal_error",
    said?.details || `status ${headerValue(answer, ":status")}`,
  );
}
