import { SockDiag } from "../../ffi/netlink/sock_diag.ts";
import { parseAddress } from "../../net/address.ts";

/**
 * Whether a connection that was accepted is led to a socket with another address: a captured one is accepted by a socket of this
 * machine that has the captured address and port, and NAT in the machine's packet filter may lead it elsewhere before. False also
 * where that can't be told.
 */
export function isLedElsewhere(
  { localAddr, remoteAddr }: Pick<Deno.TcpConn, "localAddr" | "remoteAddr">,
): boolean {
  const [own, peer] = [parseAddress(localAddr.hostname), parseAddress(remoteAddr.hostname)];
  if (!own || !peer) return false;
  const from = { address: own, port: localAddr.port };
  const to = { address: peer, port: remoteAddr.port };
  try {
    using diag = new SockDiag();
    // A peer that has closed already is gone; by then this end isn't established any longer.
    return diag.connection(to, from) === undefined && diag.connection(from, to)?.state === ESTABLISHED;
  } catch {
    return false; // a kernel without inet_diag
  }
}

/** TCP_ESTABLISHED, as a bit. */
const ESTABLISHED = 1 << 1;
