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
    // The accepting socket is bound to the user's device, and a lookup of one finds it for packets of that device alone.
    const accepted = diag.connectionsTo(
      to.port,
      ({ local, remote }) =>
        local.address.text === to.address.text && remote.port === from.port &&
        remote.address.text === from.address.text,
    );
    // A peer that has closed already is gone; by then this end isn't established any longer.
    return accepted.length === 0 && diag.connection(from, to)?.state === ESTABLISHED;
  } catch {
    return false; // a kernel without inet_diag
  }
}

/** TCP_ESTABLISHED, as a bit. */
const ESTABLISHED = 1 << 1;
