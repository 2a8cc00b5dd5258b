import { formatCauses } from "../errors/causes.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { KubeconfigError, NoSuchContext } from "../kube/config/kubeconfig.ts";
import type { ControlError, FailureCode } from "../wire/control.ts";
import { Failure } from "./failure.ts";

/** The failure as the control API tells it; an error that no code names is `internal`. */
export function describe(error: unknown): ControlError {
  const message = error instanceof Error ? error.message : String(error);
  const causes = formatCauses(error);
  if (error instanceof Failure) {
    return { code: error.code, message, ...(error.hint === undefined ? {} : { hint: error.hint }), causes };
  }
  if (error instanceof ApiError) return { code: codeOf(error), message, causes };
  if (error instanceof NoSuchContext) return { code: "not-found", message, causes };
  if (error instanceof KubeconfigError) {
    return {
      code: "credentials",
      message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      causes,
    };
  }
  if (error instanceof DOMException && error.name === "AbortError") {
    return { code: "interrupted", message: "interrupted", causes };
  }
  if (error instanceof Error && error.name === "TimeoutError") {
    return { code: "timeout", message: `it took too long: ${message}`, hint: LOG_HINT, causes };
  }
  return {
    code: "internal",
    message: isBug(error) ? `pmz has a bug: ${message}` : message,
    hint: LOG_HINT,
    causes,
  };
}

const LOG_HINT = "the daemon's log has more; its path: pmz status";

/** Whether the program itself is wrong, not the world around it. */
function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

function codeOf(error: ApiError): FailureCode {
  switch (error.status) {
    case 401:
      return "credentials";
    case 403:
      return "forbidden";
    case 404:
      return "not-found";
    case 409:
      return "conflict";
    case 504:
      return "timeout";
    default:
      return error.status === 0 ? "unreachable" : "internal";
  }
}
