/**
 * A worker on a machine whose kernel has no IPv6, as far as its own thread can see: a seccomp filter (man 2 seccomp) has socket(2)
 * say so. Says by name how a listener on ::1 fails.
 */
import { addressOfBuffer, AF_INET6, libc, must } from "../libc.ts";
import { TcpListener } from "../sockets/tcp_listener.ts";

const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2n;
const SOCKET = Deno.build.arch === "x86_64" ? 41 : 198;
const [LOAD, JUMP_IF_EQUAL, RETURN] = [0x20, 0x15, 0x06];
const [NUMBER, FIRST_ARGUMENT] = [0, 16]; // offsets in struct seccomp_data
const ALLOW = 0x7fff0000;
const FAIL_WITH_EAFNOSUPPORT = 0x00050000 | 97;

/** struct sock_filter, each: code, where to jump from the next one if true and if false, operand. */
const filter = [
  [LOAD, 0, 0, NUMBER],
  [JUMP_IF_EQUAL, 0, 3, SOCKET],
  [LOAD, 0, 0, FIRST_ARGUMENT],
  [JUMP_IF_EQUAL, 0, 1, AF_INET6],
  [RETURN, 0, 0, FAIL_WITH_EAFNOSUPPORT],
  [RETURN, 0, 0, ALLOW],
] as const;

function bar(): void {
  const code = new Uint8Array(8 * filter.length);
  const view = new DataView(code.buffer);
  filter.forEach(([what, ifTrue, ifFalse, operand], i) => {
    view.setUint16(8 * i, what, true);
    view.setUint8(8 * i + 2, ifTrue);
    view.setUint8(8 * i + 3, ifFalse);
    view.setUint32(8 * i + 4, operand, true);
  });
  const program = new Uint8Array(16); // struct sock_fprog
  new DataView(program.buffer).setUint16(0, filter.length, true);
  new DataView(program.buffer).setBigUint64(8, addressOfBuffer(code), true);
  must("prctl", libc.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n));
  must("prctl", libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, addressOfBuffer(program), 0n, 0n));
}

function nameOfFailure(): string {
  try {
    using _listener = new TcpListener("::1", () => {});
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
}

bar();
(self as unknown as Worker).postMessage(nameOfFailure());
