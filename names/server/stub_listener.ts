/** The sockets of a DNS stub: UDP and TCP at one loopback address and high port. */
import dgram from "node:dgram";
import { once } from "node:events";
import type { SocketEnd } from "../../ffi/proc/socket_table.ts";
import { closeQuietly } from "../../net/close_quietly.ts";

export interface StubSockets extends AsyncDisposable {
  readonly end: SocketEnd;
  readonly udp: dgram.Socket;
  readonly tcp: Deno.TcpListener;
}

/** The kernel picks the UDP port; the same TCP port may be in use. */
const ATTEMPTS = 32;

/**
 * The address of the stub of a user's nth nameserver. IPv4: one in 127.96.0.0 to 127.127.255.255 for each, so that two users or two
 * nameservers are never confused. IPv6 has a single loopback address, so the port tells them apart.
 */
export function stubAddress(family: 4 | 6, uid: number, index: number): string {
  if (family === 6) return "::1";
  const low = (uid + (uid >>> 16) * 40_503) & 0xffff;
  return `127.${96 + (index & 31)}.${low >> 8}.${low & 255}`;
}

/**
 * Opens both sockets at `address` and the same port. Neither has SO_REUSEPORT, so that no other program can listen there too.
 * @throws {Deno.errors.AddrInUse | Error} when the address can't be bound, or no port was free for both
 */
export async function openStub(address: string): Promise<StubSockets> {
  for (let attempt = 1;; attempt++) {
    const udp = dgram.createSocket({
      type: address.includes(":") ? "udp6" : "udp4",
      ipv6Only: address.includes(":"),
    });
    try {
      udp.bind(0, address);
      await once(udp, "listening");
      const { port } = udp.address();
      const tcp = Deno.listen({ hostname: address, port, transport: "tcp" });
      return {
        end: { address, port },
        udp,
        tcp,
        async [Symbol.asyncDispose]() {
          closeQuietly(tcp);
          await closeSocket(udp);
        },
      };
    } catch (error) {
      await closeSocket(udp);
      if (!(error instanceof Deno.errors.AddrInUse) || attempt === ATTEMPTS) throw error;
    }
  }
}

async function closeSocket(socket: dgram.Socket): Promise<void> {
  try {
    socket.close();
  } catch {
    return; // it never opened, or is closed already
  }
  await once(socket, "close");
}
