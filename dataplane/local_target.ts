import { dialTcp, type TcpConnection } from "../ffi/sockets/tcp_connection.ts";
import { formatEndpoint } from "../net/address.ts";
import type { ProxyError } from "../wire/streams.ts";

const DIAL_TIMEOUT_MS = 10_000;

/** An intercepted connection can't reach its program. */
export class LocalRefusal extends Error {
  override name = "LocalRefusal";
  readonly kind: ProxyError;

  constructor(kind: ProxyError, message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Dials the program that an intercept leads to. "localhost" is either loopback address (RFC 6761 section 6.3), whatever
 * /etc/hosts says: some servers listen on only one of them.
 * @param timeoutMs milliseconds
 * @throws {LocalRefusal}
 */
export async function dialLocal(
  host: string,
  port: number,
  timeoutMs: number = DIAL_TIMEOUT_MS,
): Promise<TcpConnection> {
  if (host !== "localhost") return await dial(host, port, timeoutMs);
  try {
    return await dial("127.0.0.1", port, timeoutMs);
  } catch (error) {
    return await dial("::1", port, timeoutMs).catch(() => {
      throw error;
    });
  }
}

async function dial(hostname: string, port: number, timeoutMs: number): Promise<TcpConnection> {
  try {
    return await dialTcp(hostname, port, { timeoutMs });
  } catch (error) {
    throw refusal(`${formatEndpoint(hostname, port)} on the laptop`, error);
  }
}

function refusal(where: string, error: unknown): LocalRefusal {
  const { code, message } = error as Error & { code?: string };
  if (code === "ETIMEDOUT") return new LocalRefusal("connection_timeout", `${where} doesn't answer`);
  if (code === "ECONNREFUSED") {
    return new LocalRefusal("connection_refused", `nothing listens at ${where}`);
  }
  return new LocalRefusal("destination_ip_unroutable", `${where}: ${message}`);
}
