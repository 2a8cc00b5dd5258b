import type { Stream } from "../../hbone/mod.ts";
import { headers, parseProxyStatus, type ProxyError } from "../../wire/streams.ts";
import type { Tunnel } from "./tunnel.ts";

/** The gateway didn't connect a stream: what it said. */
export class TargetRefused extends Error {
  override name = "TargetRefused";
  readonly kind: ProxyError;

  constructor(kind: ProxyError, details: string) {
    super(details);
    this.kind = kind;
  }
}

/**
 * Opens a stream and waits until the gateway has connected it: for whoever has to know before bytes flow.
 * @throws {TargetRefused} what the gateway said instead. @throws {NoTunnel}
 */
export async function connectStream(
  tunnel: Pick<Tunnel, "open">,
  authority: string,
  options: { readonly flow?: string; readonly first?: Uint8Array } = {},
): Promise<Stream> {
  const stream = await tunnel.open(authority, options);
  const answer = new Map(await stream.response);
  if (answer.get(":status") === "200") return stream;
  stream.abort();
  const said = parseProxyStatus(answer.get(headers.proxyStatus) ?? "");
  throw new TargetRefused(
    said?.error ?? "proxy_internal_error",
    said?.details ?? `${authority}: status ${answer.get(":status")}`,
  );
}
