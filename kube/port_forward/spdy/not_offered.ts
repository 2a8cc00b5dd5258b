import { ApiError } from "../../client/api_error.ts";

/**
 * The server answered, but not with SPDY within a WebSocket: it may not know that (Kubernetes before 1.31, a proxy in between), or it
 * refuses for another reason, which the older protocol will meet too.
 */
export class NotOffered extends ApiError {
  override name = "NotOffered";
}

/**
 * Tells whether a refusal may be about the protocol. API servers that don't know it pass it on to the kubelet, which answers 403 without a
 * message; an API server's own 403 looks nearly the same, and proxies in between have their own answers. Only errors of credentials, of the
 * pod or of the load certainly aren't about the protocol.
 */
export function refusal(error: ApiError): ApiError {
  const { status, reason, retryAfter, message } = error;
  const other = [401, 404, 429].includes(status) || status === 0 && reason !== "BadAnswer";
  return other ? error : new NotOffered(message, { status, reason, retryAfter, cause: error });
}
