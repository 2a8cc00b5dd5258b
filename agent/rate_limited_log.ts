import { TokenBucket } from "../async/token_bucket.ts";
import type { Log } from "../wire/log.ts";

/** Lines at once, and lines a second after that. */
export interface LogRate {
  readonly burst: number;
  readonly perSecond: number;
}

/** Enough to follow single connections, too little to fill a node's disk. */
const RATE: LogRate = { burst: 100, perSecond: 5 };

/**
 * A log for what peers can cause at will. Lines above the rate are left out; the next one counts them as `omitted`. Each level has
 * a rate of its own, so that ordinary events don't displace failures.
 */
export function rateLimited(log: Log, { burst, perSecond }: LogRate = RATE): Log {
  const kept = () => ({ lines: new TokenBucket(burst, perSecond), omitted: 0 });
  const levels = { info: kept(), warn: kept(), error: kept() };
  return (level, message, fields = {}) => {
    const of = levels[level];
    if (!of.lines.take()) return void of.omitted++;
    log(level, message, of.omitted > 0 ? { ...fields, omitted: of.omitted } : fields);
    of.omitted = 0;
  };
}
