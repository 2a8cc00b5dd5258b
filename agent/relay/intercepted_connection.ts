/**
 * The life of one intercepted connection. It goes to the laptop through a tunnel that has proven its rule, or to the pod's
 * own application where that is right:
 *
 * | case | where it goes |
 * | --- | --- |
 * | the kubelet's probe | the pod |
 * | from one of the node's addresses, and ended without a byte: a probe that only connects | dropped |
 * | no rule for the port (any more), no tunnel for the rule, all tunnels full | the pod |
 * | the laptop declines it (403, 404, 503), or refuses the stream | the pod |
 * | the tunnel breaks before an answer, and nothing of the caller was sent yet | the pod |
 * | the same, but something was sent: the laptop's program may have acted on it | a reset |
 * | the laptop's program refuses, or can't be reached (502, 504) | a reset, as from a server that is down |
 */
import { ErrorCode, type Header, headerValue, relay, type Stream, StreamReset } from "../../hbone/mod.ts";
import { Deadlines } from "../../async/deadlines.ts";
import { formatEndpoint } from "../../net/address.ts";
import { formatRuleTarget, headers, parseProxyStatus } from "../../wire/streams.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { PeekedConnection } from "./peeked_connection.ts";
import type { Tunnels } from "./tunnels.ts";

/** An accepted connection. */
export interface InterceptedConnection {
  readonly transport: AbortableTransport;
  readonly caller: { readonly address: string; readonly port: number };
  /** The pod's own address and port that the caller dialled. */
  readonly destination: { readonly address: string; readonly port: number };
}

/** Where a connection can go, and what decides it. */
export interface Upstreams {
  /** The connection's id in the logs of relay and laptop. */
  readonly flow: string;
  /** "namespace/name" of the pod. */
  readonly pod: string;
  /** The UID of the rule that has the port now. */
  readonly rule: string | undefined;
  readonly tunnels: Pick<Tunnels, "of" | "rule">;
  /** Tells probes from other connections. */
  classify(): Promise<Source>;
  /**
   * Dials the pod's application at the connection's destination.
   * @throws when that fails; an application that refuses may also show only in reading.
   */
  dialPod(): Promise<AbortableTransport>;
}

/** What kind of source a connection has, not which pod. `kubelet`: a probe; `node`: from one of the node's addresses (NodePort traffic, a probe that has ended); or neither. */
export type Source = "kubelet" | "node" | "other";

/** How a connection ended. */
export interface CarriedOutcome {
  /** Where it went; `dropped`: closed without an answer, as a probe that only connects. */
  readonly kind: "laptop" | "pod" | "reset" | "dropped";
  /** Whose end broke, of a connection that broke while it was carried. */
  readonly by?: "caller" | "laptop" | "pod";
  /** Why the laptop declined it, or what broke it; undefined when it was carried to its end. */
  readonly details?: string;
}

/**
 * Milliseconds in which the end of a probe that only connects has to show: its socket on the node was closed before attach
 * looked, so its end is here or about to come. NodePort traffic waits as long where the server speaks first.
 */
const SILENT_MS = 5;

/** Milliseconds that the laptop has to answer, or up to 100 more. */
const ANSWER_MS = 15_000;
const deadlines = new Deadlines();

/** Carries one connection to its end; never rejects. */
export async function carry(
  connection: InterceptedConnection,
  upstreams: Upstreams,
): Promise<CarriedOutcome> {
  const { transport } = connection;
  try {
    const peeked = new PeekedConnection(transport);
    const source = await upstreams.classify();
    if (source === "kubelet") return await toPod(peeked, upstreams);
    if (source === "node" && await peeked.leavesSilently(SILENT_MS)) {
      transport.close();
      return { kind: "dropped" };
    }
    const stream = openStream(connection, upstreams);
    if (!stream) return await toPod(peeked, upstreams);
    const answer = await answerTo(stream, peeked);
    if (answer.kind === "declined") return await toPod(peeked, upstreams, answer.details);
    if (answer.kind === "failed") return reset(transport, new Error(answer.details), answer.by);
    const { error, brokenBy } = await relay(peeked.unread(), stream);
    if (!error) return { kind: "laptop" };
    return { kind: "laptop", by: brokenBy === "a" ? "caller" : "laptop", details: error.message };
  } catch (error) {
    return reset(transport, error instanceof Error ? error : new Error(String(error)));
  }
}

/** @param declined Why it didn't go to the laptop, if it should have. */
async function toPod(
  transport: AbortableTransport,
  upstreams: Upstreams,
  declined?: string,
): Promise<CarriedOutcome> {
  const { error, bToA, brokenBy } = await relay(transport, await upstreams.dialPod());
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

/** A stream of the newest tunnel that takes one. */
function openStream(
  { caller, destination }: InterceptedConnection,
  upstreams: Upstreams,
): Stream | undefined {
  const rule = upstreams.rule === undefined ? undefined : upstreams.tunnels.rule(upstreams.rule);
  if (!rule) return undefined;
  const request = [
    [":method", "CONNECT"],
    [":authority", formatRuleTarget({ rule: rule.uid, port: rule.port })],
    [headers.flow, upstreams.flow],
    [headers.caller, formatEndpoint(caller.address, caller.port)],
    [headers.pod, upstreams.pod],
    [headers.destination, formatEndpoint(destination.address, destination.port)],
  ] as const;
  for (const tunnel of upstreams.tunnels.of(rule.uid)) {
    try {
      return tunnel.open(request);
    } catch {
      // Closed, draining or full: the next one.
    }
  }
}

/** `declined`: the connection never reached a program, so the pod may have it, with the bytes that were read ahead. */
type Answer = { readonly kind: "accepted" } | {
  readonly kind: "declined" | "failed";
  readonly details: string;
  /** Set when the caller broke the connection before there was an answer. */
  readonly by?: "caller";
};

/** Sends the caller's first bytes with the request, and waits for the laptop's answer. */
async function answerTo(stream: Stream, peeked: PeekedConnection): Promise<Answer> {
  const answered = deadlines.add(ANSWER_MS, () => stream.reset(ErrorCode.CANCEL));
  const early = new EarlyData(stream, peeked);
  try {
    const response = await stream.response;
    const status = headerValue(response, ":status") ?? "";
    if (status === "200") {
      await early.finish();
      return { kind: "accepted" };
    }
    stream.close();
    const declined = status === "403" || status === "404" || status === "503";
    return { kind: declined ? "declined" : "failed", details: refusal(status, response) };
  } catch (error) {
    if (early.callerError) return { kind: "failed", details: early.callerError.message, by: "caller" };
    const details = `no answer from the laptop: ${error instanceof Error ? error.message : error}`;
    const untouched = error instanceof StreamReset && error.code === ErrorCode.REFUSED_STREAM;
    return { kind: untouched || !early.started ? "declined" : "failed", details };
  } finally {
    answered();
    early.stop();
  }
}

function refusal(status: string, response: readonly Header[]): string {
  const said = parseProxyStatus(headerValue(response, headers.proxyStatus) ?? "");
  return said
    ? `the laptop answered ${status} ${said.error}: ${said.details}`
    : `the laptop answered ${status}`;
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
