/**
 * The life of one UDP flow of an intercepted port: a caller's address and port, and the pod's. Its datagrams go to the laptop through
 * a tunnel that has proven the rule, or to the pod's own application where that is right:
 *
 * | case | where they go |
 * | --- | --- |
 * | a personal rule takes the caller | its laptop, by the cases below |
 * | no rule for the port (any more), no tunnel for the rule, all tunnels full, too many flows | the pod |
 * | the laptop declines the flow (403, 404, 503), or its tunnel breaks within a second, before an answer | the pod, and so do the first datagrams |
 * | the laptop's program refuses | dropped for a second, as by a server that is down; then it is asked again |
 * | the tunnel breaks later | the next datagram begins another flow, by these cases |
 *
 * The pod's application gets what it gets with the caller's own address (raw_datagrams.ts), and answers by itself.
 */
import { ErrorCode, type Stream } from "../../hbone/mod.ts";
import type { DatagramEnd } from "../../ffi/sockets/steered_datagrams.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { answerOf } from "./laptop_stream.ts";

/** Milliseconds of silence in both directions after which a flow ends (RFC 4787 §4.3). */
export const IDLE_MS = 120_000;
/** Bytes of a flow's first datagrams that are kept until the laptop has answered: the pod gets them where it declines. */
const MOST_KEPT = 16 * 1024;
/** Milliseconds for which they are: an older one is of no use to anybody. */
const KEPT_MS = 1_000;
/** Milliseconds for which a flow's datagrams are dropped after the laptop's program has refused them. */
const REFUSED_MS = 1_000;

/** How a flow ended. */
export interface UdpOutcome {
  /** `declined`: the pod has it; `refused`: no program on the laptop takes it; `broken`: the tunnel broke, or the laptop reset it. */
  readonly kind: "done" | "declined" | "refused" | "broken";
  readonly details?: string;
}

export interface UdpFlowParts {
  readonly stream: Stream;
  /** The rule that it goes by. */
  readonly rule: string;
  readonly caller: DatagramEnd;
  readonly destination: DatagramEnd;
  /** Sends a datagram to the caller, in the pod's name. */
  readonly answer: (payload: Uint8Array, flow: UdpFlow) => void;
  /** Gives a datagram of the caller to the pod's application. */
  readonly pass: (payload: Uint8Array, flow: UdpFlow) => void;
  /** The flow takes no datagrams any more. */
  readonly ended: (flow: UdpFlow, outcome: UdpOutcome) => void;
}

export class UdpFlow {
  readonly rule: string;
  readonly caller: DatagramEnd;
  readonly destination: DatagramEnd;
  /** Another flow with the same hash. */
  next: UdpFlow | undefined;
  /** When a datagram came or went last, by performance.now(). */
  used = performance.now();
  readonly #parts: UdpFlowParts;
  readonly #datagrams: DatagramStream;
  readonly #begun = this.used;
  /** Undefined once the laptop has answered. */
  #kept: Uint8Array[] | undefined = [];
  #keptBytes = 0;
  /** Until when its datagrams are dropped, by performance.now(). */
  #refusedUntil = 0;
  #isOver = false;

  constructor(parts: UdpFlowParts) {
    this.#parts = parts;
    this.rule = parts.rule;
    this.caller = parts.caller;
    this.destination = parts.destination;
    this.#datagrams = new DatagramStream(parts.stream, (payload) => {
      this.used = performance.now();
      parts.answer(payload, this);
    });
    void this.#run();
  }

  /** Datagrams of the caller that were dropped, since the tunnel takes no more. */
  get dropped(): number {
    return this.#datagrams.dropped;
  }

  /** Whether it takes nothing more: it was refused a while ago. */
  isOver(now: number): boolean {
    return this.#isOver && now >= this.#refusedUntil;
  }

  /** Takes a datagram of the caller. Hot path. */
  send(payload: Uint8Array): void {
    this.used = performance.now();
    if (this.#isOver) return;
    if (this.#kept !== undefined && this.#keptBytes + payload.length <= MOST_KEPT) {
      this.#kept.push(payload.slice());
      this.#keptBytes += payload.length;
    }
    this.#datagrams.send(payload);
  }

  /** Ends it in order. Where the laptop hasn't answered, that is at once: the caller's next datagram begins another flow. */
  close(): void {
    this.#datagrams.close();
    if (this.#kept !== undefined) this.#end({ kind: "done" });
  }

  async #run(): Promise<void> {
    const { stream } = this.#parts;
    // Datagrams may be lost and may come twice, so none of them binds the flow to the laptop before its answer.
    const answer = await answerOf(stream, () => false, () => Promise.resolve());
    if (answer.kind !== "accepted") return this.#notAccepted(answer);
    this.#kept = undefined;
    const end = await this.#datagrams.ended;
    if (end.kind === "clean") return this.#end({ kind: "done" });
    if (end.kind === "broken") return this.#end({ kind: "broken", details: end.error?.message ?? "" });
    if (end.by === "us" || end.code === ErrorCode.NO_ERROR) return this.#end({ kind: "done" });
    if (end.code === ErrorCode.CONNECT_ERROR && this.#datagrams.bytesReceived === 0) {
      return this.#refuse("the laptop's program refused it");
    }
    this.#end({ kind: "broken", details: "the laptop ended it" });
  }

  #notAccepted({ kind, details }: { readonly kind: "declined" | "failed"; readonly details: string }): void {
    if (kind === "failed") return this.#refuse(details);
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    this.#end({ kind: "declined", details });
    if (performance.now() - this.#begun > KEPT_MS) return;
    for (const payload of kept) this.#parts.pass(payload, this);
  }

  #refuse(details: string): void {
    this.#kept = undefined;
    if (this.#isOver) return;
    this.#refusedUntil = performance.now() + REFUSED_MS;
    this.#end({ kind: "refused", details });
  }

  #end(outcome: UdpOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#datagrams.close();
    this.#parts.ended(this, outcome);
  }
}
