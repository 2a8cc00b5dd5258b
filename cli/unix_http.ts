/**
 * HTTP/1.1 over a unix socket by node:http. Not by fetch with a unix client of Deno.createHttpClient: in Deno 2.9.6
 * about one such request of 26 never gets an answer.
 */
import type { IncomingMessage } from "node:http";

/** A request; its signal ends it, and the reading of its answer. */
export interface UnixRequest {
  readonly socket: string;
  readonly method: string;
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** An answer, whose body is read as it comes. To stop reading closes the connection. */
export interface UnixResponse {
  readonly status: number;
  /** The body as text. Throws when the connection breaks before its end. */
  readonly text: AsyncIterable<string>;
}

/**
 * Sends a request, and settles with the head of its answer.
 * @throws the system's error, with its `code` (ENOENT, ECONNREFUSED), or the signal's reason.
 */
export async function unixRequest(
  { socket, method, path, body, signal }: UnixRequest,
): Promise<UnixResponse> {
  signal.throwIfAborted();
  await Deno.lstat(socket); // whether it's there is known long before node:http is loaded
  const { request: httpRequest } = await import("node:http");
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<UnixResponse>();
  const headers = body === undefined ? {} : {
    "content-type": "application/json",
    "content-length": String(new TextEncoder().encode(body).length),
  };
  const request = httpRequest({ socketPath: socket, method, path, headers, agent: false });
  const onAbort = () => {
    request.destroy();
    reject(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  request.on("close", () => signal.removeEventListener("abort", onAbort));
  request.on("error", reject);
  request.on("response", (response: IncomingMessage) => {
    resolve({ status: response.statusCode ?? 0, text: textOf(response, request) });
  });
  request.end(body);
  return await promise;
}

async function* textOf(response: IncomingMessage, request: { destroy(): unknown }): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response) yield decoder.decode(bytes as Uint8Array, { stream: true });
    if (!response.complete) throw new Error("the connection ended before the answer did");
  } finally {
    request.destroy();
  }
}
