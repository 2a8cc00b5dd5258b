/**
 * One request in absolute form and its response. Each gets a stream of its own to the target and says so (`Connection: close`): a
 * stream costs no round trip, and no request is lost on a connection that the target has just closed. The client's connection stays
 * for its next request.
 */
import type { AbortableTransport } from "../../net/transport.ts";
import { ByteReader, writeAll } from "../../http/byte_reader.ts";
import { targetAnswer } from "./http_answer.ts";
import { BodyEnd, type BodyKind } from "../../http/body.ts";
import { HttpFormatError } from "../../http/error.ts";
import {
  bodyOfRequest,
  bodyOfResponse,
  endToEnd,
  membersOf,
  parseResponseHead,
  type RequestHead,
  type ResponseHead,
  writeHead,
} from "../../http/head.ts";
import { forwardedFields, keepsAlive, type ProxyRequest } from "./http_request.ts";
import { asTargetError, type OpenTarget, ProxyTargetError } from "./target.ts";
import { closeQuietly } from "../../net/close_quietly.ts";

const LONGEST_RESPONSE_HEAD = 64 * 1024;
/** Interim responses (1xx) that a target may send before its real one. */
const MOST_INTERIM = 16;

type Writer = { write(bytes: Uint8Array): Promise<number> };

export interface ForwardContext {
  /** The client's connection, after the head. */
  readonly reader: ByteReader;
  readonly client: Writer;
  readonly open: OpenTarget;
  readonly signal: AbortSignal;
  readonly failed: (error: ProxyTargetError) => void;
}

/**
 * Forwards a request and its response. True when the client's connection can take another request.
 * @throws {HttpFormatError} when the request's body can't be delimited; and what reading and writing throw when the client is gone,
 * or the response broke off after it had begun.
 */
export async function forward(
  head: RequestHead,
  request: Extract<ProxyRequest, { kind: "forward" }>,
  { reader, client, open, signal, failed }: ForwardContext,
): Promise<boolean> {
  const body = new BodyEnd(bodyOfRequest(head));
  const keep = keepsAlive(head.minor, [
    ...membersOf(head.fields, "connection"),
    ...membersOf(head.fields, "proxy-connection"),
  ]);
  const line = `${head.method} ${request.path} HTTP/1.${head.minor}`;
  const sent = writeHead(line, forwardedFields(endToEnd(head.fields), request.authority));
  // What has come of the body goes with it.
  const ready = reader.take(body.belongs(reader.buffered));
  const first = new Uint8Array(sent.length + ready.length);
  first.set(sent);
  first.set(ready, sent.length);

  let transport: AbortableTransport;
  try {
    transport = await open(request.target, first, signal);
  } catch (cause) {
    const error = asTargetError(cause, request.target);
    failed(error);
    await writeAll(client, targetAnswer(error));
    return false;
  }
  // The target may answer before it has the whole body, and then not want it any more.
  const uploaded = upload(reader, body, transport);
  try {
    const reusable = await download(new ByteReader(transport), client, head.method, keep, failed, request);
    // A body that is still under way can't be told from the next request.
    return reusable && body.done && await uploaded;
  } finally {
    if (!body.done) transport.abort();
    closeQuietly(transport);
  }
}

/** Sends what is left of the request's body. True when all of it has gone; never rejects. */
async function upload(reader: ByteReader, body: BodyEnd, to: AbortableTransport): Promise<boolean> {
  while (!body.done) {
    let piece: Uint8Array;
    try {
      if (reader.buffered.length === 0 && !await reader.more()) {
        throw new Error("the client ended within its request");
      }
      piece = reader.take(body.belongs(reader.buffered));
    } catch (cause) {
      // The target must not take half a request for a whole one.
      to.abort(new Error("the client's request broke off", { cause }));
      return false;
    }
    try {
      await writeAll(to, piece);
    } catch {
      // It doesn't want the rest; it may have said why.
      return false;
    }
  }
  return true;
}

async function download(
  reader: ByteReader,
  client: Writer,
  method: string,
  keep: boolean,
  failed: (error: ProxyTargetError) => void,
  { authority }: Extract<ProxyRequest, { kind: "forward" }>,
): Promise<boolean> {
  let response: { head: ResponseHead; body: BodyKind };
  try {
    response = await responseHead(reader, client, method);
  } catch (cause) {
    const message = cause instanceof HttpFormatError
      ? `${authority} answers, but not in HTTP/1`
      : `${authority} took the request and ended the connection without an answer`;
    const error = new ProxyTargetError("destination_unavailable", message, { cause });
    failed(error);
    await writeAll(client, targetAnswer(error));
    return false;
  }
  const { head, body } = response;
  const stays = keep && body.kind !== "untilEnd";
  await writeAll(client, writeResponse(head, stays));
  const end = new BodyEnd(body);
  while (!end.done) {
    if (reader.buffered.length === 0 && !await reader.more()) {
      if (body.kind === "untilEnd") return false;
      throw new Error(`${authority} ended within its response`);
    }
    await writeAll(client, reader.take(end.belongs(reader.buffered)));
  }
  return stays;
}

/** The response's head, its interim ones sent on (a client may wait for 100 Continue). */
async function responseHead(reader: ByteReader, client: Writer, method: string) {
  for (let interim = 0; interim < MOST_INTERIM; interim++) {
    const bytes = await reader.head(LONGEST_RESPONSE_HEAD);
    if (!bytes) throw new Error("the connection ended before a response");
    const head = parseResponseHead(bytes);
    if (head.status === 101) throw new Error("the target switches to a protocol that nobody asked for");
    if (head.status >= 200) return { head, body: bodyOfResponse(head, method) };
    await writeAll(client, writeHead(statusLine(head), endToEnd(head.fields)));
  }
  throw new Error("the target sends nothing but interim responses");
}

const statusLine = ({ status, reason }: ResponseHead): string => `HTTP/1.1 ${status} ${reason}`;

function writeResponse(head: ResponseHead, stays: boolean): Uint8Array {
  return writeHead(statusLine(head), [...endToEnd(head.fields), [
    "Connection",
    stays ? "keep-alive" : "close",
  ]]);
}
