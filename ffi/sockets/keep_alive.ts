import { libc } from "../libc.ts";
import { descriptorTableSize } from "./own_socket.ts";

const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const ON = new Uint8Array(new Int32Array([1]).buffer);

/** Has the kernel probe the connections that a listener accepts from now on, each after this many seconds of silence. */
export function probeAccepted(listener: number, seconds: number): void {
  const wanted = new Uint8Array(new Int32Array([seconds]).buffer);
  libc.setsockopt(listener, IPPROTO_TCP, TCP_KEEPIDLE, wanted, 4);
  libc.setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, ON, 4);
}

/**
 * Has the kernel probe each TCP connection of this process after this many seconds of silence. Deno can only enable probes for one
 * connection at a time, with the kernel's default of two hours. Connections that are opened later need another call.
 */
export function probeSilentConnections(seconds: number): void {
  const wanted = new Int32Array([seconds]);
  const wantedBytes = new Uint8Array(wanted.buffer);
  const present = new Int32Array(1);
  const presentBytes = new Uint8Array(present.buffer);
  const length = new Uint8Array(new Uint32Array([4]).buffer);
  const size = descriptorTableSize();
  for (let fd = 0; fd < size; fd++) {
    // This fails for anything but a TCP socket. Setting the same value again would restart the timers of pending probes.
    if (libc.getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, presentBytes, length) < 0) continue;
    if (present[0] === seconds) continue;
    libc.setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, wantedBytes, 4);
    libc.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, ON, 4);
  }
}
