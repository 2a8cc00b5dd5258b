import type { HelperAnswer, HelperErrorCode } from "../wire/helper.ts";
import { HelloMismatch } from "../wire/hello.ts";
import { NotValid } from "../wire/schema.ts";

/** A request that doesn't fit the session: the wrong one, or the wrong descriptors. */
export class BadRequest extends Error {
  override name = "BadRequest";
}

/** A request that is understood and not granted. */
export class Refusal extends Error {
  readonly code: HelperErrorCode;
  constructor(code: HelperErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The answer to a request that failed. */
export function refusalOf(error: unknown): HelperAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Refusal
    ? error.code
    : [BadRequest, NotValid, HelloMismatch, TypeError].some((kind) => error instanceof kind)
    ? "bad-request"
    : "internal";
  return { ok: false, code, error: message };
}
