import type { ByteReader } from "../../http/byte_reader.ts";
import type { InterceptedConnection, Upstreams } from "./upstreams.ts";
import type { RoutedRule } from "../routing/router.ts";
import { beginsWithSettings } from "./http2_preface.ts";
import { Upstream } from "./upstream.ts";

/** Milliseconds that a caller may be silent until the pod is dialled: where the server speaks first, it waits for that. */
const QUIET_MS = 20;
/** Milliseconds of silence after which a connection is taken for one of a protocol that isn't known. */
const SILENT_MS = 250;
/** Milliseconds that the first bytes may take altogether, of a caller that sends them bit by bit. */
const LONGEST_MS = 5_000;

/** What becomes of a connection as a whole, or that its requests, or HTTP/2 streams, are decided one by one. */
export interface FirstDecision {
  readonly kind: "connection" | "requests" | "streams";
  /** The personal rule that takes the whole connection. */
  readonly rule?: RoutedRule;
  /** The connection to the pod, if it was dialled meanwhile. */
  readonly pod?: Upstream;
}

/**
 * Decides by the first bytes of a connection whose port has personal rules. Whatever is not understood, or doesn't come in
 * time, is carried as if there were no such rules. The pod may speak first: nothing of it waits.
 *
 * @throws when the caller broke, or the pod can't be dialled
 */
export async function firstDecision(
  reader: ByteReader,
  connection: Pick<InterceptedConnection, "caller">,
  upstreams: Upstreams,
): Promise<FirstDecision> {
  const decider = new Decider(reader, connection.caller.address, upstreams);
  try {
    return await decider.decide();
  } catch (error) {
    decider.pod?.transport.close();
    throw error;
  }
}

class Decider {
  readonly #reader: ByteReader;
  readonly #caller: string;
  readonly #upstreams: Upstreams;
  pod: Upstream | undefined;

  constructor(reader: ByteReader, caller: string, upstreams: Upstreams) {
    this.#reader = reader;
    this.#caller = caller;
    this.#upstreams = upstreams;
  }

  async decide(): Promise<FirstDecision> {
    if (
      await within(QUIET_MS, this.#reader.more()) === "late" && !this.#spoke && !await this.#callerSpeaks()
    ) {
      return this.#undecided();
    }
    for (const end = performance.now() + LONGEST_MS;;) {
      const decision = this.#upstreams.router().byFirstBytes(this.#reader.buffered, this.#caller);
      if (decision.kind === "connection") return this.#connection(decision.rule);
      if (decision.kind !== "more") return this.#with({ kind: decision.kind });
      const left = Math.min(SILENT_MS, end - performance.now());
      if (left <= 0 || await within(left, this.#reader.more()) !== true) return this.#undecided();
    }
  }

  /** Bytes have come while something else was awaited: another read would wait for further ones. */
  get #spoke(): boolean {
    return this.#reader.buffered.length > 0;
  }

  /** Waits for a caller that is silent. False when the pod speaks first, or some laptop's program may have to. */
  async #callerSpeaks(): Promise<boolean> {
    const { rule } = this.#upstreams.router().undecided(this.#caller);
    if (rule !== undefined || this.#upstreams.whole() !== undefined) {
      return await within(SILENT_MS - QUIET_MS, this.#reader.more()) !== "late";
    }
    this.pod = new Upstream(await this.#upstreams.dialPod());
    if (this.#spoke) return true;
    const callers = this.#reader.more().then(() => true);
    const isFirst = await Promise.race([
      callers,
      this.pod.reader.readAhead().then(() => false, () => false),
    ]);
    if (isFirst || beginsWithSettings(this.pod.reader.buffered) !== "yes") return isFirst;
    // An HTTP/2 server doesn't wait for its caller, nor the caller for its server (RFC 9113 §3.4).
    return await within(SILENT_MS, callers) !== "late";
  }

  #undecided(): FirstDecision {
    return this.#connection(this.#upstreams.router().undecided(this.#caller).rule);
  }

  #connection(rule: RoutedRule | undefined): FirstDecision {
    return this.#with({ kind: "connection", ...(rule && { rule }) });
  }

  #with(decision: FirstDecision): FirstDecision {
    return this.pod ? { ...decision, pod: this.pod } : decision;
  }
}

/** What a read brings: more, or the end; or that it brings nothing in time. The read continues. */
async function within(ms: number, reading: Promise<boolean>): Promise<boolean | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(resolve, ms, "late"));
  try {
    return await Promise.race([reading, late]);
  } finally {
    clearTimeout(timer);
  }
}
