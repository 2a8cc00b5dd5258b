/**
 * The life of one intercepted connection: to the laptop through a tunnel that has proven its rule, or to the pod's
 * own application where that is right ("fail open"):
 *
 * | what is the case | where it goes |
 * | --- | --- |
 * | the kubelet's probe | the pod |
 * | from one of the node's addresses, and over without a byte: a probe that only connects | nowhere |
 * | no rule for the port (any more), no tunnel for the rule, all tunnels full | the pod |
 * | the laptop says that it doesn't take it (403, 404, 503), or refuses the stream | the pod |
 * | the tunnel breaks before an answer, and nothing of the caller was sent yet | the pod |
 * | the same, but something was sent: the laptop's program may have acted on it | a reset |
 * | the laptop's program refuses, or can't be reached (502, 504) | a reset, as from a server that is down |
 */
import { ErrorCode, headerValue, relay, type RelayEnd, type Stream, StreamReset } from "../../hbone/mod.ts";
import { formatEndpoint } from "../../net/address.ts";
import { formatRuleTarget, headers } from "../../wire/streams.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { FirstRead } from "./peeked_connection.ts";
import type { Tunnels } from "./tunnels.ts";

/** An accepted connection. */
export interface Intercepted {
  readonly transport: AbortableTransport;
  readonly caller: { readonly address: string; readonly port: number };
  /** The pod's own address and port that the caller dialled. */
  readonly destination: { readonly address: string; readonly port: number };
}

/** What is needed to decide where it goes. */
export interface Ways {
  /** "namespace/name" of the pod. */
  readonly pod: string;
  /** The UID of the rule that has the port now. */
  readonly rule: string | undefined;
  readonly tunnels: Pick<Tunnels, "of" | "rule">;
  /** Whose it is, as far as it comes from one of the node's own addresses. */
  whose(): Promise<Caller>;
  /**
   * Dials the pod's application at the connection's destination.
   * @throws when that can't be done; an application that refuses may also show only in reading.
   */
  dialPod(): Promise<AbortableTransport>;
}

/** The kubelet; something else that has one of the node's addresses, or had: NodePort traffic, a probe that is over; or neither. */
export type Caller = "kubelet" | "node" | "other";

/** Where a connection went. */
export type Way = "laptop" | "pod" | "reset" | "nowhere";

/**
 * Milliseconds in which the end of a probe that only connects has to show: its socket on the node was gone before attach
 * looked, so its end is here or about to be. NodePort traffic with a server that speaks first waits as long.
 */
const SILENT_MS = 5;

/** Milliseconds that the laptop has to answer. */
const ANSWER_MS = 15_000;

/** Carries one connection to its end; never rejects. */
export async function carry(connection: Intercepted, ways: Ways): Promise<Way> {
  const { transport } = connection;
  try {
    const early = new FirstRead(transport);
    const whose = await ways.whose();
    if (whose === "kubelet") return await toPod(early, ways);
    if (whose === "node" && await early.leavesSilently(SILENT_MS)) {
      transport.close();
      return "nowhere";
    }
    const stream = openStream(connection, ways);
    if (!stream) return await toPod(early, ways);
    const answer = await answerTo(stream, early);
    if (answer === "pod") return await toPod(early, ways);
    if (answer === "laptop") {
      await relay(early, stream);
      return "laptop";
    }
  } catch (error) {
    transport.abort(error instanceof Error ? error : new Error(String(error)));
    return "reset";
  }
  transport.abort(new Error("the laptop's program can't be reached"));
  return "reset";
}

async function toPod(transport: AbortableTransport, ways: Ways): Promise<Way> {
  const end: RelayEnd = await relay(transport, await ways.dialPod());
  return end.error && end.bToA === 0 ? "reset" : "pod";
}

/** A stream of the newest tunnel that takes one. */
function openStream({ caller, destination }: Intercepted, ways: Ways): Stream | undefined {
  const rule = ways.rule === undefined ? undefined : ways.tunnels.rule(ways.rule);
  if (!rule) return undefined;
  const request = [
    [":method", "CONNECT"],
    [":authority", formatRuleTarget({ rule: rule.uid, port: rule.port })],
    [headers.caller, formatEndpoint(caller.address, caller.port)],
    [headers.pod, ways.pod],
    [headers.destination, formatEndpoint(destination.address, destination.port)],
  ] as const;
  for (const tunnel of ways.tunnels.of(rule.uid)) {
    try {
      return tunnel.open(request);
    } catch {
      // Over, draining or full: the next one.
    }
  }
}

/** Sends the caller's first bytes along, waits for the laptop's answer, and says what follows from it. */
async function answerTo(stream: Stream, early: FirstRead): Promise<Way> {
  const timer = setTimeout(() => stream.reset(ErrorCode.CANCEL), ANSWER_MS);
  const sending = new Sending(stream, early);
  try {
    const status = headerValue(await stream.response, ":status") ?? "";
    if (status === "200") {
      await sending.finish();
      return "laptop";
    }
    stream.close();
    // These say that it never reached a program: what was read ahead can go to the pod.
    return status === "403" || status === "404" || status === "503" ? "pod" : "reset";
  } catch (error) {
    if (sending.callerBroke) return "reset";
    const untouched = error instanceof StreamReset && error.code === ErrorCode.REFUSED_STREAM;
    return untouched || !sending.begun ? "pod" : "reset";
  } finally {
    clearTimeout(timer);
    sending.stop();
  }
}

/** Sends the caller's first bytes, if there are any before the laptop answers. Until then they can still be read. */
class Sending {
  begun = false;
  callerBroke = false;
  #stopped = false;
  readonly #early: FirstRead;
  readonly #sent: Promise<void>;

  constructor(stream: Stream, early: FirstRead) {
    this.#early = early;
    this.#sent = this.#send(stream);
    this.#sent.catch(() => {}); // the answer, or finish(), tells it
  }

  stop(): void {
    this.#stopped = true;
  }

  /** No further bytes are sent; those that were are not read again. */
  async finish(): Promise<void> {
    this.stop();
    if (!this.begun) return;
    await this.#sent;
    await this.#early.taken();
  }

  async #send(stream: Stream): Promise<void> {
    let first: Uint8Array | null;
    try {
      first = await this.#early.first;
    } catch (error) {
      this.callerBroke = true;
      stream.reset(ErrorCode.CONNECT_ERROR);
      throw error;
    }
    if (this.#stopped || first === null) return;
    this.begun = true;
    for (let at = 0; at < first.length;) at += await stream.write(first.subarray(at));
  }
}
