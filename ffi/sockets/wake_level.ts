import { libc } from "../libc.ts";
import { descriptorOf, endsOf } from "./own_socket.ts";

const SOL_SOCKET = 1;
const SO_RCVLOWAT = 18;

/**
 * What sets how many bytes have to be there until the kernel wakes whoever waits to read from a connection of this process (SO_RCVLOWAT,
 * which epoll heeds for TCP since Linux 4.18). A read that doesn't wait takes what there is. It must not be called when the connection
 * was closed: the descriptor may be another's by then.
 *
 * @returns undefined when this process has no such socket (any more).
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
    // It fails of one that was just closed, whose reads end anyway.
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, bytes, bytes.length);
  };
}
