import { TokenBucket } from "../async/token_bucket.ts";
import type { Log } from "../wire/log.ts";

/** Lines at once, and lines a second after that. */
export interface LogRate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Enough to follow single connections, too little to fill a node's disk. */
const RATE: LogRate = { burst: 100, perSecond: 5 };

/** A log for what peers can cause at will. Lines above the rate are left out; the next one counts them as `omitted`. */
export function rateLimited(log: Log, { burst, perSecond }: LogRate = RATE): Log {
  const lines = new TokenBucket(burst, perSecond);
  let omitted = 0;
  return (level, message, fields = {}) => {
    if (!lines.take()) return void omitted++;
    log(level, message, omitted > 0 ? { ...fields, omitted } : fields);
    omitted = 0;
  };
}
