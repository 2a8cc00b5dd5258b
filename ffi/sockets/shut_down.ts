import { libc } from "../libc.ts";
import { descriptorOf, endsOf } from "./own_socket.ts";

const SHUT_RDWR = 2;

/**
 * Ends both directions of a TCP connection of this process (shutdown(2)), below Deno's own handling. The socket is looked up by its
 * ends each time, so that calling this for a closed connection never touches another socket that got its descriptor.
 */
export function shutDown(
  connection: { readonly localAddr: Deno.Addr; readonly remoteAddr: Deno.Addr },
): void {
  const ends = endsOf(connection);
  const fd = ends && descriptorOf(ends);
  if (fd !== undefined) libc.shutdown(fd, SHUT_RDWR);
}
