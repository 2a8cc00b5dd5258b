/**
 * The life of one intercepted connection. It goes to the laptop through a tunnel that has proven its rule, or to the pod's
 * own application where that is right:
 *
 * | case | where it goes |
 * | --- | --- |
 * | the kubelet's probe | the pod |
 * | from one of the node's addresses, and ended without a byte: a probe that only connects | dropped |
 * | the port has personal rules: requests and connections that one of them takes | its laptop, by the cases below |
 * | the port has mirror rules: what goes to the pod | copied to their laptops (mirror.ts), which nothing waits for |
 * | no rule for the port (any more), no tunnel for the rule, all tunnels full | the pod |
 * | the laptop declines it (403, 404, 503), or refuses the stream | the pod |
 * | the tunnel breaks before an answer, and nothing of the caller was sent yet | the pod |
 * | the same, but something was sent: the laptop's program may have acted on it | a reset |
 * | the laptop's program refuses, or can't be reached (502, 504) | a reset, as from a server that is down |
 */
import { ErrorCode, relay, type Stream } from "../../hbone/mod.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { ByteReader } from "../../http/byte_reader.ts";
import type { RoutedRule } from "../routing/router.ts";
import { firstDecision } from "./first_decision.ts";
import { carryHttp2 } from "./carry_http2.ts";
import { HttpSession } from "./http_session.ts";
import { type Answer, answerOf, openStream } from "./laptop_stream.ts";
import { mirroring } from "./mirror.ts";
import { PeekedConnection } from "./peeked_connection.ts";
import { UnreadTransport } from "./unread_transport.ts";
import type { CarriedOutcome, InterceptedConnection, Upstreams } from "./upstreams.ts";

/**
 * Milliseconds in which the end of a probe that only connects has to show: its socket on the node was closed before attach
 * looked, so its end is here or about to come. NodePort traffic waits as long where the server speaks first.
 */
const SILENT_MS = 5;

/** Carries one connection to its end; never rejects. */
export async function carry(
  connection: InterceptedConnection,
  unmirrored: Upstreams,
): Promise<CarriedOutcome> {
  const { transport } = connection;
  try {
    const peeked = new PeekedConnection(transport);
    const source = await unmirrored.classify();
    if (source === "kubelet") return await toPod(peeked, unmirrored);
    if (source === "node" && await peeked.leavesSilently(SILENT_MS)) {
      transport.close();
      return { kind: "dropped" };
    }
    const upstreams = mirroring(connection, unmirrored);
    const decision = upstreams.router().byCaller(connection.caller.address);
    if (decision.kind === "connection") {
      if (!decision.rule) upstreams.unrouted();
      return await toLaptop(peeked, decision.rule, connection, upstreams);
    }
    return await route(peeked, connection, upstreams);
  } catch (error) {
    return reset(transport, error instanceof Error ? error : new Error(String(error)));
  }
}

/** Carries a connection that one of the port's personal rules may take, or some of its requests. */
async function route(
  caller: AbortableTransport,
  connection: InterceptedConnection,
  upstreams: Upstreams,
): Promise<CarriedOutcome> {
  const reader = new ByteReader(caller);
  const { kind, rule, pod } = await firstDecision(reader, connection, upstreams);
  if (kind === "streams") return await carryHttp2(caller, reader, connection, upstreams, pod);
  if (kind === "requests") return new HttpSession(caller, reader, connection, upstreams, pod).run();
  const unread = new UnreadTransport(caller, reader);
  if (rule === undefined && pod) return await toPod(unread, upstreams, undefined, pod.unread());
  pod?.transport.close();
  return await toLaptop(new PeekedConnection(unread), rule, connection, upstreams);
}

/** Carries a connection to the laptop of a personal rule or of the whole-service rule; else to the pod. */
async function toLaptop(
  peeked: PeekedConnection,
  rule: RoutedRule | undefined,
  connection: InterceptedConnection,
  upstreams: Upstreams,
): Promise<CarriedOutcome> {
  const { tunnels } = upstreams;
  const about = { ...connection, flow: upstreams.flow, pod: upstreams.pod };
  for (const uid of [rule?.uid, upstreams.whole()]) {
    const stream = openStream(tunnels, uid, about);
    if (!stream || uid === undefined) continue;
    if (uid === rule?.uid) rule.counts.taken++;
    return { ...await overStream(stream, peeked, upstreams), rule: uid };
  }
  if (rule) rule.counts.declined++;
  return await toPod(peeked, upstreams);
}

async function overStream(
  stream: Stream,
  peeked: PeekedConnection,
  upstreams: Upstreams,
): Promise<CarriedOutcome> {
  const answer = await answerTo(stream, peeked);
  if (answer.kind === "declined") return await toPod(peeked, upstreams, answer.details);
  if (answer.kind === "failed") return reset(peeked, new Error(answer.details), answer.by);
  const { error, brokenBy } = await relay(peeked.unread(), stream);
  if (!error) return { kind: "laptop" };
  return { kind: "laptop", by: brokenBy === "a" ? "caller" : "laptop", details: error.message };
}

/**
 * @param declined why it didn't go to the laptop, if it should have
 * @param dialled the connection to the pod, if there is one
 */
async function toPod(
  transport: AbortableTransport,
  upstreams: Upstreams,
  declined?: string,
  dialled?: AbortableTransport,
): Promise<CarriedOutcome> {
  const { error, bToA, brokenBy } = await relay(transport, dialled ?? await upstreams.dialPod());
  if (!error) return { kind: "pod", ...(declined === undefined ? {} : { details: declined }) };
  return {
    kind: bToA === 0 ? "reset" : "pod",
    by: brokenBy === "a" ? "caller" : "pod",
    details: declined === undefined ? error.message : `${declined}; then the pod: ${error.message}`,
  };
}

function reset(transport: AbortableTransport, reason: Error, by?: "caller"): CarriedOutcome {
  transport.abort(reason);
  return { kind: "reset", details: reason.message, ...(by === undefined ? {} : { by }) };
}

/** Sends the caller's first bytes with the request, and waits for the laptop's answer. */
async function answerTo(
  stream: Stream,
  peeked: PeekedConnection,
): Promise<Answer & { readonly by?: "caller" }> {
  const early = new EarlyData(stream, peeked);
  const answer = await answerOf(stream, () => early.started, () => early.finish());
  early.stop();
  if (!early.callerError || answer.kind === "accepted") return answer;
  return { kind: "failed", details: early.callerError.message, by: "caller" };
}

/** Sends the caller's first bytes, if any come before the laptop answers. Until then they can still be read again. */
class EarlyData {
  started = false;
  callerError: Error | undefined;
  #stopped = false;
  readonly #peeked: PeekedConnection;
  readonly #sent: Promise<void>;

  constructor(stream: Stream, peeked: PeekedConnection) {
    this.#peeked = peeked;
    this.#sent = this.#send(stream);
    this.#sent.catch(() => {}); // the answer, or finish(), reports it
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Sends no more; what was sent is not read again. */
  async finish(): Promise<void> {
    this.stop();
    if (!this.started) return;
    await this.#sent;
    await this.#peeked.consume();
  }

  async #send(stream: Stream): Promise<void> {
    let first: Uint8Array | null;
    try {
      first = await this.#peeked.first;
    } catch (error) {
      this.callerError = error instanceof Error ? error : new Error(String(error));
      stream.reset(ErrorCode.CONNECT_ERROR);
      throw error;
    }
    if (this.#stopped || first === null) return;
    this.started = true;
    for (let at = 0; at < first.length;) at += await stream.write(first.subarray(at));
  }
}
