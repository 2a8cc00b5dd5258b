/**
 * How a connection is carried whose caller has sent HTTP/2's preface. The pod (or the whole-service rule's laptop, which stands for it)
 * gets the preface, and nothing else until it has answered as an HTTP/2 server. If it says anything else, the connection is its, raw.
 */
import { decodeSettings, INITIAL_SETTINGS, LARGEST_TABLE, relay } from "../../hbone/mod.ts";
import type { ByteReader } from "../../http/byte_reader.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Broken } from "./broken.ts";
import { FollowedConnection } from "./followed_connection.ts";
import { answersPreface, firstFrame, FRAME_HEADER, PREFACE } from "./http2_preface.ts";
import { Http2Session } from "./http2_session.ts";
import { Servers } from "./servers.ts";
import { UnreadTransport } from "./unread_transport.ts";
import type { Upstream } from "./upstream.ts";
import type { CarriedOutcome, InterceptedConnection, Upstreams } from "./upstreams.ts";

/**
 * Carries it to its end; never rejects.
 * @param reader holds the preface still
 * @param pod the connection to the pod, if it was dialled already
 */
export async function carryHttp2(
  caller: AbortableTransport,
  reader: ByteReader,
  connection: InterceptedConnection,
  upstreams: Upstreams,
  pod?: Upstream,
): Promise<CarriedOutcome> {
  try {
    const isPods = pod !== undefined && upstreams.whole() === undefined;
    const others = isPods ? pod : await new Servers(connection, upstreams, pod).ofOthers();
    if (!await answersPreface(others)) return await carryRaw(caller, reader, others);
    if (!await canBeFollowed(others.reader)) {
      return await new Http2Session(new UnreadTransport(caller, reader), connection, upstreams).run(others);
    }
    reader.skip(PREFACE.length);
    return await new FollowedConnection(caller, reader, connection, upstreams, others).run();
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    caller.abort(reason);
    return { kind: "reset", details: reason.message, ...(reason instanceof Broken && { by: reason.by }) };
  }
}

/** Carries a connection whose server isn't an HTTP/2 server, or may not be one: it has got the preface already. */
async function carryRaw(
  caller: AbortableTransport,
  reader: ByteReader,
  others: Upstream,
): Promise<CarriedOutcome> {
  reader.skip(PREFACE.length);
  const { error, brokenBy } = await relay(new UnreadTransport(caller, reader), others.unread());
  if (!error) return { kind: others.end };
  return { kind: others.end, by: brokenBy === "a" ? "caller" : others.end, details: error.message };
}

/** Bytes of a stream's window that relay holds for a laptop which is slower than its caller. */
const LARGEST_FOLLOWED_WINDOW = 16 * 1024 * 1024;

/** Whether a server's callers compress headers by a table that is small enough to be kept twice, and send little before it is read. */
async function canBeFollowed(reader: ByteReader): Promise<boolean> {
  const settings = await firstFrame(reader);
  if (settings === undefined) return true; // it has ended, which the caller is to see
  try {
    const { headerTableSize, initialWindowSize } = decodeSettings(
      settings.subarray(FRAME_HEADER),
      INITIAL_SETTINGS,
      "server",
    );
    return headerTableSize <= LARGEST_TABLE && initialWindowSize <= LARGEST_FOLLOWED_WINDOW;
  } catch {
    return true; // the caller is who interprets it
  }
}
