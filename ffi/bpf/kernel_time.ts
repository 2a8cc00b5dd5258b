import { libc } from "../libc.ts";

const CLOCK_MONOTONIC = 1;

/** The time as BPF programs see it (bpf_ktime_get_ns): CLOCK_MONOTONIC in nanoseconds. */
export function kernelTime(): bigint {
  const now = new BigInt64Array(2);
  libc.clock_gettime(CLOCK_MONOTONIC, new Uint8Array(now.buffer));
  const [seconds = 0n, nanoseconds = 0n] = now;
  return seconds * 1_000_000_000n + nanoseconds;
}
