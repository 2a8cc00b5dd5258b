import { errno, libc } from "../libc.ts";

const ENOSYS = 38;
/** The number of bpf(2) (asm/unistd.h). */
const numbers: Partial<Record<typeof Deno.build.arch, number>> = { x86_64: 321, aarch64: 280 };
/** Not a command of bpf(2): the kernel refuses it, also when root asks, and does nothing. */
const NO_COMMAND = -1n;

/** Whether the kernel has bpf(2) for this process: not without CONFIG_BPF_SYSCALL, nor under some seccomp filters. */
export function hasBpf(): boolean {
  const number = numbers[Deno.build.arch];
  if (number === undefined) return false;
  const attributes = new Uint8Array(8);
  const result = libc.syscall(BigInt(number), NO_COMMAND, attributes, BigInt(attributes.length));
  return result >= 0n || errno() !== ENOSYS;
}
