import type { FailureCode } from "../wire/control.ts";

/** Why pmz can't be installed, or removed, as the command line tells it. */
export class SetupError extends Error {
  override name = "SetupError";
  readonly code: FailureCode;
  readonly hint: string;

  constructor(code: FailureCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}
