/** What the pod spec gives the gateway, in its environment. */
export const environment = {
  /** Ranges that may be dialled besides Services and pods: CIDRs, separated by commas. */
  ranges: "PMZ_RANGES",
  /** A file into which the seconds since the epoch are written every 5 s while the gateway is ready: for the probes. */
  beat: "PMZ_BEAT",
} as const;
