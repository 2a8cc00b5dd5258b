/**
 * Data workers, each a thread with listeners and tunnels of its own, over which the kernel spreads captured connections.
 * Two were slower than one on two cores (docs/decisions.md). Helper and BPF programs take at most 8 (helper/capture_hooks.ts).
 */
export const DATA_WORKERS = 1;
