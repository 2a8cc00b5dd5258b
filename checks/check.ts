import type { CheckId, CheckResult, Finding, FindingLevel } from "../wire/doctor.ts";

/** One thing that has to be so for pmz to work, and how to find out whether it is. */
export interface Check<Parts> {
  readonly id: CheckId;
  readonly title: string;
  /** The worst that its findings can be, and what it counts as when it can't be finished. */
  readonly severity: "warning" | "failed";
  /** Checks that have to be without failure before this one makes sense. */
  readonly needs: readonly CheckId[];
  /** What to do when it can't be finished: it threw, or took too long. */
  readonly remedy: string;
  /** How long it may take, in milliseconds; {@linkcode LIMIT_MS} without it. */
  readonly limitMs?: number;
  /**
   * Looks, changes nothing, and says what it saw.
   * @param signal aborts when the time is up, or the user interrupts
   */
  readonly run: (parts: Parts, signal: AbortSignal) => Promise<readonly Finding[]>;
}

/** How long a check may take, in milliseconds, where it doesn't say otherwise. */
export const LIMIT_MS = 5_000;

const order: readonly FindingLevel[] = ["ok", "skipped", "warning", "failed"];

/** The worst level among findings; `ok` when there are none. */
export function worstOf(findings: readonly Finding[]): FindingLevel {
  return order[Math.max(0, ...findings.map(({ level }) => order.indexOf(level)))] ?? "ok";
}

/** Whether checks that need this one can run. */
export function isSound({ outcome }: CheckResult): boolean {
  return outcome === "ok" || outcome === "warning";
}

export function ok(saw: string): Finding {
  return { level: "ok", saw };
}

export function skipped(saw: string): Finding {
  return { level: "skipped", saw };
}

export function warning(saw: string, remedy: string): Finding {
  return { level: "warning", saw, remedy };
}

export function failed(saw: string, remedy: string): Finding {
  return { level: "failed", saw, remedy };
}

/** A hint of an error, as the sentence that findings have. */
export function sentence(hint: string): string {
  return `${capitalized(hint)}.`;
}

export function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
