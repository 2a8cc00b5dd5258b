import { libc } from "../libc.ts";
import { descriptorOf, endsOf } from "./own_socket.ts";

const SHUT_RDWR = 2;

/**
 * Ends both directions of a TCP connection of this process (shutdown(2)), below whatever Deno does with it. Sought by its ends each
 * time: who has closed it already may call this, and another's socket that has its number by then isn't touched.
 */
export function shutDown(
  connection: { readonly localAddr: Deno.Addr; readonly remoteAddr: Deno.Addr },
): void {
  const ends = endsOf(connection);
  const fd = ends && descriptorOf(ends);
  if (fd !== undefined) libc.shutdown(fd, SHUT_RDWR);
}
