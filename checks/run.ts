import { unlessAborted } from "../async/abort.ts";
import { TimeLimit } from "../async/time_limit.ts";
import type { CheckId, CheckResult, Finding, OnChecked } from "../wire/doctor.ts";
import { type Check, isSound, LIMIT_MS, skipped, worstOf } from "./check.ts";

export interface RunOptions {
  /** These and what they need; all when empty. Of what they need, the answer has only what failed. */
  readonly only?: readonly CheckId[];
  readonly onChecked?: OnChecked;
  readonly signal?: AbortSignal;
}

/**
 * Runs checks side by side, each as soon as those that it needs are done, and each for as long as it may take.
 *
 * @returns their results, in the order of `checks`
 * @throws only the reason of `signal`
 */
export async function runChecks<Parts>(
  checks: readonly Check<Parts>[],
  parts: Parts,
  { only = [], onChecked, signal }: RunOptions = {},
): Promise<CheckResult[]> {
  const byId = new Map(checks.map((check) => [check.id, check]));
  const started = new Map<CheckId, Promise<CheckResult>>();
  const running = new Set<CheckId>();
  let done = 0;
  const tell = () => onChecked?.({ done, all: started.size, running: [...running] });

  function start(id: CheckId): Promise<CheckResult> | undefined {
    const check = byId.get(id);
    if (!check) return undefined;
    const there = started.get(id);
    if (there) return there;
    const needed = check.needs.flatMap((need) => start(need) ?? []);
    const result = follow(check, needed);
    started.set(id, result);
    return result;
  }

  async function follow(check: Check<Parts>, needed: readonly Promise<CheckResult>[]): Promise<CheckResult> {
    const missing = (await Promise.all(needed)).find((result) => !isSound(result));
    if (missing) {
      done++;
      tell();
      return resultOf(check, [skipped(whyMissing(missing))], 0);
    }
    running.add(check.id);
    tell();
    const begun = performance.now();
    const findings = await runOne(check, parts, signal);
    running.delete(check.id);
    done++;
    tell();
    return resultOf(check, findings, Math.round(performance.now() - begun));
  }

  const wanted = only.length === 0 ? checks : checks.filter(({ id }) => only.includes(id));
  for (const { id } of wanted) start(id);
  const results = await Promise.all(checks.flatMap(({ id }) => started.get(id) ?? []));
  const ids = new Set(wanted.map(({ id }) => id));
  return results.filter(({ id, outcome }) => ids.has(id) || outcome === "failed");
}

/** What a check finds within its time. One that throws or takes too long has found just that. */
async function runOne<Parts>(
  check: Check<Parts>,
  parts: Parts,
  outer: AbortSignal | undefined,
): Promise<readonly Finding[]> {
  const ms = check.limitMs ?? LIMIT_MS;
  using limit = new TimeLimit(ms, outer);
  try {
    return await unlessAborted(check.run(parts, limit.signal), limit.signal);
  } catch (error) {
    outer?.throwIfAborted();
    const saw = limit.signal.aborted
      ? `This could not be found out within ${ms / 1000} s.`
      : `This could not be found out: ${error instanceof Error ? error.message : error}`;
    return [{ level: check.severity, saw, remedy: check.remedy }];
  }
}

function whyMissing({ id, outcome, findings }: CheckResult): string {
  const [first] = findings.filter(({ level }) => level === outcome);
  return outcome === "skipped" && first ? first.saw : `The check "${id}" failed.`;
}

function resultOf<Parts>(
  { id, title }: Check<Parts>,
  findings: readonly Finding[],
  ms: number,
): CheckResult {
  return { id, title, outcome: worstOf(findings), findings, ms };
}
