import { cstring, libc, must } from "../libc.ts";
import { Netns } from "../proc/netns.ts";
import { getOption } from "../sockets/socket.ts";

const { setns, unshare } = Deno.dlopen("libc.so.6", {
  setns: { parameters: ["i32", "i32"], result: "i32" },
  unshare: { parameters: ["i32"], result: "i32" },
}).symbols;
const CLONE_NEWNET = 0x40000000;
const O_RDWR = 2;
const IPPROTO_TCP = 6;
const TCP_MAXSEG = 2;

/** What tests that touch the kernel's network need. */
export const isRoot = Deno.uid() === 0;

/** Runs `body` in a network namespace of its own, which has no way out. For tests as root; `body` must not wait. */
export function inNewNetns<T>(body: () => T): T {
  using home = new Netns("/proc/thread-self/ns/net");
  if (unshare(CLONE_NEWNET) !== 0) throw new Error("unshare(CLONE_NEWNET) failed: this needs root");
  try {
    return body();
  } finally {
    // The tests after this one would run in a stranger's network.
    if (setns(home.fd, CLONE_NEWNET) !== 0) Deno.exit(71);
  }
}

/** The descriptors of this process's TCP sockets, whatever state they are in. */
export function tcpDescriptors(): number[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name)).filter((fd) => {
    try {
      return getOption(fd, IPPROTO_TCP, TCP_MAXSEG) >= 0;
    } catch {
      return false; // No socket, or none of TCP.
    }
  });
}

/** A file, opened to read and write: a descriptor that is the caller's to close, or to give away. */
export function openDescriptor(path: string): number {
  return must(`open ${path}`, libc.open(cstring(path), O_RDWR, 0));
}
