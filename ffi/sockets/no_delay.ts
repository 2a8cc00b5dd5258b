import { descriptorOf, endsOf } from "./own_socket.ts";
import { setOption } from "./socket.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

/**
 * Sets TCP_NODELAY on a Deno connection without setNoDelay: a `Deno.TlsConn` (2.9). Without it, a small write that follows
 * another one waits for the peer's delayed acknowledgement, which takes 40 ms on Linux.
 *
 * @returns false when this process has no such socket; then small writes may wait
 */
export function setNoDelay(
  connection: { readonly localAddr: Deno.Addr; readonly remoteAddr: Deno.Addr },
): boolean {
  const ends = endsOf(connection);
  const fd = ends && descriptorOf(ends);
  if (fd === undefined) return false;
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return true;
}
