import { TokenBucket } from "../async/token_bucket.ts";
import type { Flow } from "../wire/flow.ts";

/** Failed flows that are reported at once, and a second in the long run: a storm of failures must not fill the disk. */
const BURST = 20;
const PER_SECOND = 1;

/** Reports failed flows, as many as the log takes, and counts those that it leaves out. */
export class FailureReports {
  readonly #report: (of: { readonly flow: Flow; readonly omitted: number }) => void;
  readonly #tokens: TokenBucket;
  #omitted = 0;

  constructor(
    report: (of: { readonly flow: Flow; readonly omitted: number }) => void,
    limits: { readonly burst: number; readonly perSecond: number } = { burst: BURST, perSecond: PER_SECOND },
  ) {
    this.#report = report;
    this.#tokens = new TokenBucket(limits.burst, limits.perSecond);
  }

  /** Counts flows that are not reported, since they are not known. */
  omit(count: number): void {
    this.#omitted += count;
  }

  add(flow: Flow): void {
    if (!this.#tokens.take()) {
      this.#omitted++;
      return;
    }
    const omitted = this.#omitted;
    this.#omitted = 0;
    this.#report({ flow, omitted });
  }
}
