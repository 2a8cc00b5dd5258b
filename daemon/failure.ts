import type { FailureCode } from "../wire/control.ts";

/** Something that went wrong in a way that its code names: what the control API tells, and the command line's exit code. */
export class Failure extends Error {
  override name = "Failure";
  readonly code: FailureCode;
  /** What to do next. */
  readonly hint: string | undefined;

  constructor(code: FailureCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}
