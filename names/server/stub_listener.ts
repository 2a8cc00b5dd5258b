/** The sockets of a stand-in: UDP and TCP at one address and high port, on loopback. */
import dgram from "node:dgram";
import { once } from "node:events";
import type { SocketEnd } from "../../ffi/proc/socket_table.ts";
import { closeQuietly } from "../../net/close_quietly.ts";

export interface StandInSockets extends AsyncDisposable {
  readonly end: SocketEnd;
  readonly udp: dgram.Socket;
  readonly tcp: Deno.TcpListener;
}

/** The kernel picks UDP's port; TCP's may be taken. */
const ATTEMPTS = 32;

/**
 * Where the stand-in of a user's nth nameserver listens: IPv4 in 127.96.0.0 to 127.127.255.255, another address for each, so
 * that two users or two nameservers are never mistaken; IPv6 has one loopback address, and the port tells.
 */
export function standInAddress(family: 4 | 6, uid: number, index: number): string {
  if (family === 6) return "::1";
  const low = (uid + (uid >>> 16) * 40_503) & 0xffff;
  return `127.${96 + (index & 31)}.${low >> 8}.${low & 255}`;
}

/**
 * Opens both sockets at `address` and a port that both have. Neither shares it (SO_REUSEPORT): nobody can listen beside them.
 * @throws {Deno.errors.AddrInUse | Error} when the address can't be bound, or no port was free for both.
 */
export async function openStandIn(address: string): Promise<StandInSockets> {
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
    return; // It never opened, or is closed.
  }
  await once(socket, "close");
}
