import net from "node:net";
import { SocketTransport } from "../../ffi/adopt.ts";
import type { ProxyError } from "../../wire/streams.ts";

const DIAL_TIMEOUT_MS = 10_000;

/** The laptop's own end can't take a connection. */
export class LocalRefusal extends Error {
  override name = "LocalRefusal";
  readonly kind: ProxyError;

  constructor(kind: ProxyError, message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Dials the laptop's own end of an intercept. "localhost" is either loopback address (RFC 6761 §6.3), whatever
 * /etc/hosts says: some servers listen on one of them only. By node:net, whose sockets can be reset: the program is
 * to see a caller's break as a break.
 * @param timeoutMs milliseconds
 * @throws {LocalRefusal}
 */
export async function dialLocal(
  host: string,
  port: number,
  timeoutMs: number = DIAL_TIMEOUT_MS,
): Promise<SocketTransport> {
  if (host !== "localhost") return await dial(host, port, timeoutMs);
  try {
    return await dial("127.0.0.1", port, timeoutMs);
  } catch (error) {
    return await dial("::1", port, timeoutMs).catch(() => {
      throw error;
    });
  }
}

async function dial(host: string, port: number, timeoutMs: number): Promise<SocketTransport> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  const timer = setTimeout(() => reject(new DOMException("no answer", "TimeoutError")), timeoutMs);
  socket.once("connect", resolve);
  socket.once("error", reject);
  try {
    await promise;
    return new SocketTransport(socket);
  } catch (error) {
    socket.destroy();
    throw refusal(`${host}:${port} on the laptop`, error);
  } finally {
    clearTimeout(timer);
    socket.off("connect", resolve);
    socket.off("error", reject);
  }
}

function refusal(where: string, error: unknown): LocalRefusal {
  if (error instanceof DOMException) return new LocalRefusal("connection_timeout", `${where} doesn't answer`);
  const { code, message } = error as Error & { code?: string };
  if (code === "ECONNREFUSED") {
    return new LocalRefusal("connection_refused", `nothing listens at ${where}`);
  }
  return new LocalRefusal("destination_ip_unroutable", `${where}: ${message}`);
}
