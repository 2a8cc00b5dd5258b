/** A client that speaks HTTP/1.1 to the proxy: CONNECT gives a tunnel, requests in absolute form are forwarded one after the other. */
import type { AbortableTransport } from "../../net/transport.ts";
import { EarlyEnd, writeAll } from "../../http/byte_reader.ts";
import { plainAnswer, targetAnswer } from "./http_answer.ts";
import { forward, type ForwardContext } from "./http_forward.ts";
import { HttpFormatError } from "../../http/error.ts";
import { parseRequestHead, writeHead } from "../../http/head.ts";
import { type IsOurs, type ProxyRequest, readProxyRequest } from "./http_request.ts";
import { asTargetError } from "./target.ts";

const LONGEST_HEAD = 32 * 1024;

export interface HttpContext extends ForwardContext {
  /** Whether a host is the cluster's: whose pages may call into it. */
  readonly isOurs: IsOurs;
  /** A request's head is waited for. */
  readonly waiting: () => void;
  /** A request's head has come. */
  readonly begun: () => void;
}

/**
 * Serves the client until a CONNECT succeeds: its transport is the answer, ready to be relayed; undefined when the connection is over.
 * @throws what reading and writing throw, when the client is gone.
 */
export async function acceptHttp(context: HttpContext): Promise<AbortableTransport | undefined> {
  const { reader, client, isOurs, waiting, begun } = context;
  for (;;) {
    waiting();
    try {
      const bytes = await reader.head(LONGEST_HEAD);
      if (!bytes) return undefined;
      begun();
      const head = parseRequestHead(bytes);
      const request = await readProxyRequest(head, isOurs);
      if (request.kind === "connect") return await connect(request, context);
      if (request.kind === "refused") {
        await writeAll(client, plainAnswer(request.status, request.why));
        return undefined;
      }
      if (!await forward(head, request, context)) return undefined;
    } catch (error) {
      if (error instanceof EarlyEnd) {
        await writeAll(client, plainAnswer(431, "the request's head is too long, or ends early"));
      } else if (error instanceof HttpFormatError) await writeAll(client, plainAnswer(400, error.message));
      else throw error;
      return undefined;
    }
  }
}

async function connect(
  { target }: Extract<ProxyRequest, { kind: "connect" }>,
  { reader, client, open, signal, failed }: HttpContext,
): Promise<AbortableTransport | undefined> {
  const first = reader.take(reader.buffered.length);
  let transport: AbortableTransport;
  try {
    transport = await open(target, first.length > 0 ? first : undefined, signal);
  } catch (cause) {
    const error = asTargetError(cause, target);
    failed(error);
    await writeAll(client, targetAnswer(error));
    return undefined;
  }
  try {
    await writeAll(client, writeHead("HTTP/1.1 200 Connection established", []));
  } catch (error) {
    transport.abort();
    throw error;
  }
  return transport;
}
