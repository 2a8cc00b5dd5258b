import { formatCauses, formatError } from "../errors/causes.ts";
import { type ControlError, type FailureCode, failures } from "../wire/control.ts";

/** A failed command: code, message, hint and causes. The exit code follows from the code. */
export class CliFailure extends Error {
  override name = "CliFailure";
  readonly failure: ControlError;

  constructor(failure: ControlError, options?: ErrorOptions) {
    super(failure.message, options);
    this.failure = failure;
  }
}

/** Short for a CliFailure with these fields. */
export function failure(code: FailureCode, message: string, hint?: string, cause?: unknown): CliFailure {
  return new CliFailure(
    {
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      ...(cause === undefined ? {} : { causes: [formatError(cause), ...formatCauses(cause)] }),
    },
    { cause },
  );
}

/** Any error as a failure. Its own code and hint are kept; an AbortError is `interrupted`. */
export function asFailure(error: unknown): ControlError {
  if (error instanceof CliFailure) return error.failure;
  if (error instanceof DOMException && error.name === "AbortError") {
    return { code: "interrupted", message: "interrupted", causes: [] };
  }
  const message = error instanceof Error ? error.message : String(error);
  const causes = formatCauses(error);
  const { code, hint } = (error ?? {}) as { code?: unknown; hint?: unknown };
  if (isFailureCode(code)) {
    return { code, message, causes, ...(typeof hint === "string" ? { hint } : {}) };
  }
  return { code: "internal", message, causes };
}

/** Whether this is one of the codes of the table. */
export function isFailureCode(code: unknown): code is FailureCode {
  return typeof code === "string" && Object.hasOwn(failures, code);
}
