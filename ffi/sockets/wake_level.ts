import { libc } from "../libc.ts";
import { descriptorOf, endsOf } from "./own_socket.ts";

const SOL_SOCKET = 1;
const SO_RCVLOWAT = 18;

/**
 * Returns a function that sets how many bytes must have arrived before the kernel wakes a pending read of the connection
 * (SO_RCVLOWAT, which epoll honours for TCP since Linux 4.18). A read that finds bytes takes them at once. The function must not be
 * called after the connection was closed, since another socket may have its descriptor by then.
 *
 * @returns undefined when this process has no such socket
 */
export function wakeLevelOf(
  connection: { readonly localAddr: Deno.Addr; readonly remoteAddr: Deno.Addr },
): ((bytes: number) => void) | undefined {
  const ends = endsOf(connection);
  const fd = ends && descriptorOf(ends);
  if (fd === undefined) return undefined;
  const value = new Int32Array(1);
  const bytes = new Uint8Array(value.buffer);
  return (level) => {
    value[0] = level;
    // This fails for a socket that was just closed, whose reads end anyway.
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bytes, bytes.length);
  };
}
