import { dialTcp, type TcpConnection } from "../ffi/sockets/tcp_connection.ts";
import { formatEndpoint } from "../net/address.ts";
import { hostAddresses } from "../net/host_addresses.ts";
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
 * Dials the program that an intercept leads to, at one address of its host after the other.
 * @param timeoutMs milliseconds, for each address
 * @throws {LocalRefusal}
 */
export async function dialLocal(
  host: string,
  port: number,
  timeoutMs: number = DIAL_TIMEOUT_MS,
): Promise<TcpConnection> {
  const where = `${formatEndpoint(host, port)} on the laptop`;
  let failed: unknown;
  for (const address of await addresses(host, where)) {
    try {
      return await dialTcp(address, port, { timeoutMs });
    } catch (error) {
      failed ??= error;
    }
  }
  throw refusal(where, failed);
}

async function addresses(host: string, where: string): Promise<readonly string[]> {
  try {
    return await hostAddresses(host);
  } catch (error) {
    throw refusal(where, error);
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
