import { causeChain } from "../../errors/causes.ts";
import { type ApiServerAccess, describeWay } from "./access.ts";

/**
 * A request to the API server that failed. `status` is its HTTP status, 0 where there was no answer;
 * `reason` is Kubernetes' own word (`NotFound`, `Forbidden`, `Conflict`, `AlreadyExists`, `Expired`, ...) or one of
 * `Unreachable`, `Timeout`, `Certificate`, `TooLarge`, `BadAnswer`.
 */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly reason: string;
  /** What a 429 or 503 asked to wait, in seconds. */
  readonly retryAfter: number | undefined;

  constructor(
    message: string,
    options: { status: number; reason: string; retryAfter?: number | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.status = options.status;
    this.reason = options.reason;
    this.retryAfter = options.retryAfter;
  }

  static is(error: unknown, reason?: string): error is ApiError {
    return error instanceof ApiError && (reason === undefined || error.reason === reason);
  }
}

const REASONS: Record<number, string> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  413: "TooLarge",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/**
 * The error of an answer that isn't 2xx.
 *
 * @param what what was tried, as in "list services in namespace default".
 * @param text the body: a Status object (`meta/v1`), or whatever a proxy on the way says.
 */
export function errorOfAnswer(
  what: string,
  status: number,
  text: string,
  retryAfter?: string | null,
): ApiError {
  const given = statusOf(text);
  // Some say "Gone" instead (client-go takes both for the same).
  const reason = status === 410 ? "Expired" : given.reason || (REASONS[status] ?? "BadAnswer");
  const said = given.message || printable(text) || "no explanation";
  const message = `Can't ${what}: ${said} (${status} ${reason}).${hintOf(status)}`;
  const seconds = Number(retryAfter ?? NaN);
  return new ApiError(message, { status, reason, retryAfter: seconds >= 0 ? seconds : undefined });
}

const UNREACHABLE = "Check that the cluster is running, and that `kubectl get ns` reaches it from here.";

const OF_KUBECONFIG =
  "Its certificate isn't trusted by this kubeconfig: get a kubeconfig of this cluster, or its CA.";
const OF_SYSTEM =
  "The kubeconfig has no CA, and this machine doesn't trust the server's certificate: get a kubeconfig with the cluster's CA, or set SSL_CERT_FILE.";

/** The error of a request without an answer: it names the server, and the proxy on the way. */
export function errorOfFailure(what: string, access: ApiServerAccess, cause: unknown): ApiError {
  const said = messagesOf(cause);
  const server = describeWay(access);
  const [reason, hint] = /certificate|UnknownIssuer|NotValidForName|CertExpired|BadSignature/i.test(said)
    ? ["Certificate", access.trustsSystem ? OF_SYSTEM : OF_KUBECONFIG]
    : /timed? ?out|TimeoutError|no connection within|no answer within/i.test(said)
    ? ["Timeout", UNREACHABLE]
    : ["Unreachable", UNREACHABLE];
  return new ApiError(`Can't ${what}: no answer from ${server}: ${said}. ${hint}`, {
    status: 0,
    reason,
    cause,
  });
}

function hintOf(status: number): string {
  if (status === 401) {
    return " The credentials are refused or have expired: log in again, then retry.";
  }
  if (status === 403) return " Ask the cluster's administrator for that right.";
  return "";
}

function statusOf(text: string): { reason?: string; message?: string } {
  try {
    const object: unknown = JSON.parse(text);
    if (typeof object !== "object" || object === null) return {};
    const { reason, message } = object as { reason?: unknown; message?: unknown };
    return {
      ...(typeof reason === "string" ? { reason: printable(reason) } : {}),
      ...(typeof message === "string" ? { message: printable(message) } : {}),
    };
  } catch {
    return {};
  }
}

/** One line without control characters, 2,000 characters at most: it comes from outside and ends up on a terminal. */
function printable(text: string): string {
  return text.slice(0, 2_000).replace(/\s+/g, " ").replace(/\p{C}/gu, "").trim().replace(/\.$/, "");
}

function messagesOf(error: unknown): string {
  const messages = causeChain(error).slice(0, 4).flatMap((each) =>
    each instanceof Error && each.message !== "" && each.message !== "fetch failed" ? [each.message] : []
  );
  return printable(messages.join(": ") || String(error));
}
