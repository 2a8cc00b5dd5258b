import assert from "node:assert/strict";
import type { FailureCode } from "../../wire/control.ts";
import { describe } from "../control_error.ts";

/** The signal of a caller that never gives up. */
export const forever: AbortSignal = new AbortController().signal;

/** For `assert.rejects`: whether an error is told to the command line as this failure, with these words. */
export const fails = (code: FailureCode, text: RegExp = /./) => (error: unknown): true => {
  const failure = describe(error);
  assert.equal(failure.code, code, `${failure.message}: ${failure.causes}`);
  assert.match(`${failure.message} ${failure.hint}`, text);
  return true;
};
