import { ErrorCode, errorName, type Header, type Stream } from "../../hbone/mod.ts";
import { parseEndpoint } from "../../net/address.ts";
import type { Allowed, AllowedTargets } from "./allowed_targets.ts";
import { CANCELLED, PendingStream } from "./pending_stream.ts";
import { type Failed, failed, refuse, type ServedEnd, targetOf, unreached, withFlow } from "./served_end.ts";
import type { RefuseFlow, UdpEnd, UdpFlows } from "./udp_flows.ts";

/**
 * Answers CONNECT-UDP streams (RFC 9298): decides whether a target may be sent to, and has its flow carried. A quiet flow costs a gateway
 * about as much as its stream, so what is called for each is no function that waits.
 */
export class UdpStreams {
  readonly #allowed: AllowedTargets;
  readonly #flows: Pick<UdpFlows, "carry" | "size">;
  readonly #most: number;
  #waiting = 0;

  /** @param most flows at once */
  constructor(allowed: AllowedTargets, flows: Pick<UdpFlows, "carry" | "size">, most: number) {
    this.#allowed = allowed;
    this.#flows = flows;
    this.#most = most;
  }

  /** Streams open now. */
  get streams(): number {
    return this.#waiting + this.#flows.size;
  }

  /** Serves a stream to its end; never rejects. @param answer further headers of the answer */
  serve(stream: Stream, answer: readonly Header[]): Promise<ServedEnd> {
    const allowed = this.#allowed.now(targetOf(stream));
    if (allowed !== undefined) return this.#carry(stream, allowed, answer);
    return this.#wait(stream).then(
      (allowed) => this.#carry(stream, allowed, answer),
      (error) => abort(stream, error),
    );
  }

  /** Waits until it is decided about the target. @throws CANCELLED when the stream closes before */
  async #wait(stream: Stream): Promise<Allowed> {
    using pending = new PendingStream(stream);
    this.#waiting++;
    try {
      const allowed = await this.#allowed.later(targetOf(stream), pending.signal);
      if (pending.signal.aborted) throw CANCELLED;
      return allowed;
    } finally {
      this.#waiting--;
    }
  }

  #carry(stream: Stream, allowed: Allowed, answer: readonly Header[]): Promise<ServedEnd> {
    if ("error" in allowed) return refused(stream, allowed, answer);
    if (this.#flows.size >= this.#most) {
      return refused(stream, failed("connection_limit_reached", `${this.#most} UDP flows are open`), answer);
    }
    try {
      return this.#flows.carry(stream, allowed.endpoint, answer, refuseFlow).then((end) =>
        servedEnd(stream, end)
      );
    } catch (error) {
      return refused(stream, unsent(stream, error), answer); // there is no socket
    }
  }
}

function refused(stream: Stream, why: Failed, answer: readonly Header[]): Promise<ServedEnd> {
  return Promise.resolve(withFlow(stream, refuse(stream, why, answer)));
}

const refuseFlow: RefuseFlow = (stream, error, answer) => {
  refuse(stream, unsent(stream, error), answer);
};

function unsent(stream: Stream, error: unknown): Failed {
  const endpoint = parseEndpoint(targetOf(stream));
  if (endpoint === undefined) {
    return failed("http_request_error", "the authority is not a valid ADDRESS:PORT");
  }
  return unreached(endpoint, error, "can't send to");
}

/** The laptop closed the stream while it waited: its program did so, which is ordinary. */
function abort(stream: Stream, error: unknown): ServedEnd {
  stream.abort(error instanceof Error ? error : undefined);
  const by = error === CANCELLED ? { by: "laptop" } as const : {};
  return withFlow(stream, {
    target: targetOf(stream),
    error: "broken",
    details: String(error),
    ...by,
    out: 0,
    in: 0,
  });
}

function servedEnd(stream: Stream, { end, error, out, in: back }: UdpEnd): ServedEnd {
  const carried = { target: targetOf(stream), out, in: back };
  if (error !== undefined) return withFlow(stream, { ...carried, ...unsent(stream, error) });
  if (end.kind === "clean" || end.kind === "reset" && end.code === ErrorCode.NO_ERROR) return carried;
  const details = end.kind === "broken"
    ? end.error.message
    : `reset by ${end.by === "us" ? "this end" : "the laptop"} (${errorName(end.code)})`;
  return withFlow(stream, { ...carried, error: "broken", details, by: "laptop" });
}
