import { parseAddress } from "../wire/address.ts";
import { libc } from "./libc.ts";
import { endpointOf } from "./socket.ts";

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const ON = new Uint8Array(new Int32Array([1]).buffer);

/**
 * Sets TCP_NODELAY on a connection of Deno's that has no setNoDelay: a `Deno.TlsConn` (2.9). Without it a small write that follows
 * another waits for the peer's delayed acknowledgement, 40 ms on Linux. Deno doesn't tell the descriptor either, so it's found
 * by its local end; sockets of this process that share the end (with other peers) get the option too, which does no harm.
 *
 * @returns false when this process has no such socket (any more): then small writes may wait.
 */
export function setNoDelay(connection: { readonly localAddr: Deno.Addr }): boolean {
  const sought = connection.localAddr;
  if (sought.transport !== "tcp") return false;
  const address = parseAddress(sought.hostname)?.text;
  const name = new Uint8Array(28);
  const length = new Uint32Array(1);
  let found = false;
  for (const entry of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(entry.name);
    name.fill(0);
    length[0] = name.length;
    // Files, and descriptors that were closed meanwhile, fail.
    if (libc.getsockname(fd, name, new Uint8Array(length.buffer)) < 0) continue;
    const { address: own, port } = endpointOf(name);
    if (port !== sought.port || own.text !== address) continue;
    // Of a UDP socket it fails.
    if (libc.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ON, ON.length) === 0) found = true;
  }
  return found;
}
