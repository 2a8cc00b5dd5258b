import { ApiError } from "../../client/api_error.ts";

/**
 * The server answered, but not with SPDY within a WebSocket: it may not know it (Kubernetes before 1.31, a proxy in between), or there
 * is another reason, which the older protocol will meet too.
 */
export class NotOffered extends ApiError {
  override name = "NotOffered";
}

/**
 * What a refusal of the attempt means. API servers that don't know the protocol pass it on to the kubelet, which answers 403
 * without a word; an API server's own 403 looks nearly the same, and proxies in between answer what they like. Only what is about credentials,
 * the pod or the load is surely no matter of protocol.
 */
export function refusal(error: ApiError): ApiError {
  const { status, reason, retryAfter, message } = error;
  const other = [401, 404, 429].includes(status) || status === 0 && reason !== "BadAnswer";
  return other ? error : new NotOffered(message, { status, reason, retryAfter, cause: error });
}
