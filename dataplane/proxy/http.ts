/** A client that speaks HTTP/1.1 to the proxy: CONNECT gives it a tunnel, requests in absolute form are forwarded in their order. */
import { onAbort } from "../../async/abort.ts";
import { type ByteReader, EarlyEnd, writeAll } from "../../http/byte_reader.ts";
import { HttpFormatError } from "../../http/error.ts";
import { parseRequestHead } from "../../http/head.ts";
import { HeadWriter } from "../../http/head_writer.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { type Client, forward } from "./exchange.ts";
import { established, plainAnswer, targetAnswer } from "./http_answer.ts";
import { type IsOurs, type ProxyRequest, readProxyRequest } from "./http_request.ts";
import type { IdleConnections } from "./idle_connections.ts";
import type { AnswerFailed } from "./upstream.ts";
import { asTargetError, type OpenTarget } from "./target.ts";

const LONGEST_HEAD = 32 * 1024;

export interface HttpContext {
  readonly reader: ByteReader;
  readonly writer: { write(bytes: Uint8Array): Promise<number> };
  readonly open: OpenTarget;
  readonly signal: AbortSignal;
  readonly answerFailed: AnswerFailed;
  readonly idle: IdleConnections;
  /** Whether a host is the cluster's: whose pages may call into it. */
  readonly isOurs: IsOurs;
  /** The proxy waits for a request's head. */
  readonly waiting: () => void;
  /** A request's head has come. */
  readonly begun: () => void;
}

/**
 * Serves the client until both sides have a connection for bytes of their own, by a CONNECT or an upgrade: its transport is the answer,
 * ready to be relayed. Undefined when the client's connection is to be closed.
 * @throws what reading and writing throw when the client is gone; {ResponseBroken}.
 */
export async function acceptHttp(context: HttpContext): Promise<AbortableTransport | undefined> {
  using connections = context.idle.ofClient();
  const client: Client = {
    ...context,
    connections,
    upstream: undefined,
    request: new HeadWriter(),
    response: new HeadWriter(),
  };
  const { reader, writer, isOurs, waiting, begun } = context;
  // An exchange that waits for its target may neither read from the client nor write to it, and so not see it closed.
  using _stopping = onAbort(context.signal, () => client.upstream?.abort());
  for (;;) {
    waiting();
    try {
      const bytes = await reader.head(LONGEST_HEAD);
      if (!bytes) return undefined;
      begun();
      const head = parseRequestHead(bytes);
      const request = readProxyRequest(head, isOurs);
      if (request.kind === "connect") return await connect(request, context);
      if (request.kind === "refused") {
        await writeAll(writer, plainAnswer(request.status, request.why));
        return undefined;
      }
      const after = await forward(head, request, client);
      if (after.kind === "switched") return after.transport;
      if (after.kind === "close") return undefined;
    } catch (error) {
      if (error instanceof EarlyEnd) {
        await writeAll(writer, plainAnswer(431, "the request's head is too long, or ends early"));
      } else if (error instanceof HttpFormatError) await writeAll(writer, plainAnswer(400, error.message));
      else throw error;
      return undefined;
    }
  }
}

async function connect(
  { target }: Extract<ProxyRequest, { kind: "connect" }>,
  { reader, writer, open, signal }: HttpContext,
): Promise<AbortableTransport | undefined> {
  const first = reader.take(reader.buffered.length);
  let transport: AbortableTransport;
  try {
    transport = await open(target, first.length > 0 ? first : undefined, signal);
  } catch (cause) {
    const error = asTargetError(cause, target);
    await writeAll(writer, targetAnswer(error));
    return undefined;
  }
  try {
    await writeAll(writer, established);
  } catch (error) {
    transport.abort();
    throw error;
  }
  return transport;
}
