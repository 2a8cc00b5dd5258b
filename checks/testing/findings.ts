import assert from "node:assert/strict";
import type { Check } from "../check.ts";
import type { Finding, FindingLevel } from "../../wire/doctor.ts";

/** What a check finds, with these parts. */
export async function findingsOf<Parts>(check: Check<Parts>, parts: Parts): Promise<readonly Finding[]> {
  return await check.run(parts, new AbortController().signal);
}

/** Asserts the level of the only finding, and that what it saw and its remedy match. */
export function assertFinding(
  findings: readonly Finding[],
  level: FindingLevel,
  saw: RegExp,
  remedy?: RegExp,
): void {
  const found = findings.filter((finding) => finding.level === level && saw.test(finding.saw));
  assert.ok(found.length > 0, `no ${level} ${saw} in ${JSON.stringify(findings, undefined, 1)}`);
  if (remedy) assert.match(found.map((finding) => "remedy" in finding ? finding.remedy : "").join(), remedy);
}

/** Asserts that nothing but facts was found. */
export function assertSound(findings: readonly Finding[]): void {
  assert.deepEqual(findings.filter(({ level }) => level !== "ok"), []);
  assert.ok(findings.length > 0, "a check says what it saw");
}
