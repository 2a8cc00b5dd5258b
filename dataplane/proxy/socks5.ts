/**
 * SOCKS 5 (RFC 1928): CONNECT and UDP ASSOCIATE, without authentication; who may connect the listener decides by the peer's uid.
 */
import { addressOf, type Endpoint, parseAddress } from "../../net/address.ts";
import type { ProxyError } from "../../wire/streams.ts";
import { type ByteReader, writeAll } from "../../http/byte_reader.ts";
import { asTargetError, type OpenTarget, type ProxyTarget } from "./target.ts";
import type { AbortableTransport } from "../../net/transport.ts";

export const SOCKS5 = 5;
const SOCKS4 = 4;
const CONNECT = 1;
const UDP_ASSOCIATE = 3;
export const kinds = { ipv4: 1, name: 3, ipv6: 4 } as const;
export const replies = {
  succeeded: 0,
  failure: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  refused: 5,
  commandNotSupported: 7,
  kindNotSupported: 8,
} as const;

/** RFC 1928 §6 has few words: where none fits, the general one. */
const replyOf = {
  connection_refused: replies.refused,
  connection_timeout: replies.hostUnreachable,
  destination_ip_unroutable: replies.hostUnreachable,
  destination_ip_prohibited: replies.notAllowed,
  destination_not_found: replies.hostUnreachable,
  connection_limit_reached: replies.failure,
  destination_unavailable: replies.hostUnreachable,
  connection_terminated: replies.failure,
  http_protocol_error: replies.failure,
  http_request_error: replies.failure,
  proxy_internal_error: replies.failure,
} as const satisfies Record<ProxyError, number>;

/** What a client asked for: a target, an association for datagrams, or the reply that says why it gets neither. */
export type SocksRequest =
  | { readonly target: ProxyTarget }
  | { readonly wants: "association" }
  | { readonly refused: number };

/** Where a client sends its datagrams, until it is disposed of. */
export interface Association extends Disposable {
  readonly local: Endpoint;
}

/** What a client got. */
export type SocksOpened = { readonly transport: AbortableTransport } | { readonly association: Association };

/** What the opening makes for a client. */
export interface SocksParts {
  readonly open: OpenTarget;
  /** @throws where there can be none now */
  readonly associate: () => Association;
}

type Writer = { write(bytes: Uint8Array): Promise<number> };

/**
 * The whole opening. Undefined when the client was refused and told so; it is to be closed then.
 * @throws {EarlyEnd} and what reading and writing throw.
 */
export async function acceptSocks(
  reader: ByteReader,
  client: Writer,
  { open, associate }: SocksParts,
  signal: AbortSignal,
): Promise<SocksOpened | undefined> {
  const request = await readRequest(reader, client);
  if (!request) return undefined;
  if ("refused" in request) {
    await writeAll(client, replyBytes(request.refused));
    return undefined;
  }
  if ("wants" in request) return await acceptAssociation(client, associate);
  const first = reader.take(reader.buffered.length);
  let transport: AbortableTransport;
  try {
    transport = await open(request.target, first.length > 0 ? first : undefined, signal);
  } catch (cause) {
    const error = asTargetError(cause, request.target);
    await writeAll(client, replyBytes(replyOf[error.kind]));
    return undefined;
  }
  try {
    await writeAll(client, replyBytes(replies.succeeded));
  } catch (error) {
    transport.abort();
    throw error;
  }
  return { transport };
}

async function acceptAssociation(
  client: Writer,
  associate: SocksParts["associate"],
): Promise<SocksOpened | undefined> {
  let association: Association;
  try {
    association = associate();
  } catch {
    await writeAll(client, replyBytes(replies.failure));
    return undefined;
  }
  try {
    await writeAll(client, Uint8Array.of(SOCKS5, replies.succeeded, 0, ...formatEnd(association.local)));
  } catch (error) {
    association[Symbol.dispose]();
    throw error;
  }
  return { association };
}

/** An address and port as SOCKS has them: "kind address port". */
export function formatEnd({ address, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const bytes = address.family === 4 ? address.bytes.subarray(12) : address.bytes;
  return Uint8Array.of(address.family === 4 ? kinds.ipv4 : kinds.ipv6, ...bytes, port >> 8, port & 0xff);
}

/** Agrees on no authentication and reads the request (RFC 1928 §3, §4); undefined when the client has been turned away. */
async function readRequest(reader: ByteReader, client: Writer): Promise<SocksRequest | undefined> {
  const [version, count = 0] = await reader.exactly(2);
  if (version === SOCKS4) {
    // "Request rejected": its own form.
    await writeAll(client, Uint8Array.of(0, 0x5b, 0, 0, 0, 0, 0, 0));
    return undefined;
  }
  if (version !== SOCKS5) return undefined;
  const methods = await reader.exactly(count);
  const agreed = methods.includes(0);
  await writeAll(client, Uint8Array.of(SOCKS5, agreed ? 0 : 0xff));
  return agreed ? await readTarget(reader) : undefined;
}

/** "05 command 00 kind address port". @throws {EarlyEnd} */
export async function readTarget(reader: ByteReader): Promise<SocksRequest> {
  const [version, command, , kind] = await reader.exactly(4);
  if (version !== SOCKS5) return { refused: replies.failure };
  const host = await readHost(reader, kind);
  if (host === undefined) return { refused: replies.kindNotSupported };
  const [high = 0, low = 0] = await reader.exactly(2);
  const port = high << 8 | low;
  // Where the client will send from is a hint that most can't give: its account decides, once it sends.
  if (command === UDP_ASSOCIATE) return { wants: "association" };
  if (command !== CONNECT) return { refused: replies.commandNotSupported };
  return host === "" || port === 0 ? { refused: replies.failure } : { target: { host, port } };
}

/** Undefined for an unknown kind, whose length is unknown too; "" for a name that is not valid. */
async function readHost(reader: ByteReader, kind: number | undefined): Promise<string | undefined> {
  switch (kind) {
    case kinds.ipv4:
      return (await reader.exactly(4)).join(".");
    case kinds.ipv6:
      return addressOf(await reader.exactly(16)).text;
    case kinds.name: {
      const [length = 0] = await reader.exactly(1);
      return hostOfName(await reader.exactly(length));
    }
  }
}

/** "" for a name that is not valid. */
export function hostOfName(bytes: Uint8Array): string {
  const name = String.fromCharCode(...bytes);
  if (name.includes(":")) return parseAddress(name)?.text ?? "";
  return /^[A-Za-z0-9._-]+$/.test(name) ? name : "";
}

/** The address that the proxy dials from is not told: 0.0.0.0:0, as most proxies answer. */
function replyBytes(code: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(SOCKS5, code, 0, kinds.ipv4, 0, 0, 0, 0, 0, 0);
}
