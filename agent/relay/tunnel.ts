import { Connection, ErrorCode, headerValue, type Stream } from "../../hbone/mod.ts";
import { agree, type Hello, parseHello } from "../../wire/hello.ts";
import { type Challenge, CHALLENGE_HEADER, parseProof, PROOF_HEADER } from "../../wire/key_proof.ts";
import { PROOF_PROTOCOL } from "../../wire/streams.ts";
import type { Transport } from "../../net/transport.ts";
import { sleep } from "../../async/sleep.ts";
import { judge, type Verdict } from "./proof.ts";

/** What relay is, as it says in its challenges; attach told it. */
export interface Identity {
  readonly hello: Hello;
  /** SHA-256 of the cluster's CA, hex. */
  readonly cluster: string;
  /** UID of the agent's own pod. */
  readonly pod: string;
  readonly node: string;
}

/** Milliseconds. */
const ANSWER_MS = 10_000;
const PING_MS = 4_000;

/** A daemon's answer to a challenge, judged; "refused" when it gave none (it may not know the rule yet). */
export type Answer = Verdict | { readonly kind: "refused"; readonly reason: string };

/**
 * One tunnel: a connection that a laptop made to relay's loopback port through the API server. Roles are swapped:
 * relay is the HTTP/2 client of it. It carries the rules that it has proven, and no others.
 */
export class Tunnel implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #identity: Identity;
  #session: string | undefined;
  #proven: ReadonlySet<string> = new Set();

  constructor(transport: Transport, identity: Identity) {
    this.#connection = new Connection(transport, { role: "client" });
    this.#identity = identity;
  }

  /** The session it has proven to be of. */
  get session(): string | undefined {
    return this.#session;
  }

  /** UIDs of the rules that it has proven. */
  get proven(): ReadonlySet<string> {
    return this.#proven;
  }

  /** Settles when it is over; never rejects. */
  get closed(): Promise<unknown> {
    return this.#connection.closed;
  }

  get streams(): number {
    return this.#connection.streams;
  }

  /**
   * Asks for a proof that this tunnel is of a session with these rules, and keeps what was proven.
   * @param session Whose rules these are; undefined, with no rules, to learn which session it is.
   * @param keys By session UID, the public keys of the sessions that have rules here.
   * @throws when the tunnel is over, or the daemon's version doesn't fit this one.
   */
  async challenge(
    session: string | undefined,
    rules: readonly string[],
    keys: ReadonlyMap<string, string>,
  ): Promise<Answer> {
    const nonce = crypto.getRandomValues(new Uint8Array(32)).toHex();
    const { hello, cluster, pod, node } = this.#identity;
    const challenge: Challenge = { hello, pod, node, nonce, rules };
    const headers = await this.#ask(challenge);
    const status = headerValue(headers, ":status");
    if (status !== "200") return { kind: "refused", reason: `the daemon answered ${status}` };
    const proof = headerValue(headers, PROOF_HEADER);
    const theirs = proof === undefined ? undefined : parseProof(proof)?.hello;
    if (theirs !== undefined) agree(hello, parseHello(theirs));
    const verdict = await judge(proof, { cluster, challenge, keys });
    if (session !== undefined && verdict.kind !== "false" && verdict.session !== session) {
      return {
        kind: "false",
        reason: `session ${verdict.session} can't prove the rules of session ${session}`,
      };
    }
    if (verdict.kind === "proven") {
      this.#session = verdict.session;
      this.#proven = new Set(rules);
    }
    return verdict;
  }

  /**
   * Opens a stream with headers that the laptop sees.
   * @throws {ConnectionClosed} {TooManyStreams} when this tunnel takes none: try another.
   */
  open(headers: readonly (readonly [string, string])[]): Stream {
    return this.#connection.open(headers);
  }

  /** Rules that are gone are proven no more. */
  forget(isThere: (rule: string) => boolean): void {
    this.#proven = new Set([...this.#proven].filter(isThere));
  }

  /**
   * Ends the tunnel when the laptop gives no sign of life for 8 seconds, two PINGs of 4: what it has then is gone,
   * and the pods answer. Runs until the signal comes, which has to when the tunnel is over.
   */
  async watch(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(PING_MS, signal);
      if (signal.aborted) return;
      try {
        await this.#connection.ping(PING_MS);
      } catch (cause) {
        this.abort(new Error("the laptop gave no sign of life", { cause }));
        return;
      }
    }
  }

  /** Takes no new streams; ends when those that are open have ended. */
  drain(): void {
    this.#connection.drain();
  }

  abort(reason: Error): void {
    this.#connection.abort(ErrorCode.CANCEL, reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }

  async #ask(challenge: Challenge): Promise<readonly (readonly [string, string])[]> {
    // Its answer comes after the peer's SETTINGS, so that whether it takes extended CONNECT is known (RFC 8441 §3).
    await this.#connection.ping(ANSWER_MS);
    if (!this.#connection.enableConnectProtocol) {
      throw new Error("the other end doesn't take extended CONNECT: it is no daemon of pmz");
    }
    const stream = this.#connection.open([
      [":method", "CONNECT"],
      [":protocol", PROOF_PROTOCOL],
      [":scheme", "http"],
      [":authority", "pmz"],
      [":path", "/"],
      [CHALLENGE_HEADER, JSON.stringify(challenge)],
    ]);
    const timer = setTimeout(() => stream.reset(ErrorCode.CANCEL), ANSWER_MS);
    try {
      return await stream.response;
    } finally {
      clearTimeout(timer);
      stream.close();
    }
  }
}
