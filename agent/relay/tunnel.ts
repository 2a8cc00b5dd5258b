import {
  Connection,
  type ConnectionEnd,
  ErrorCode,
  type Header,
  headerValue,
  KeptConnection,
  type Stream,
} from "../../hbone/mod.ts";
import { agree, type Hello, parseHello } from "../../wire/hello.ts";
import { type Challenge, CHALLENGE_HEADER, parseProof, PROOF_HEADER } from "../../wire/key_proof.ts";
import { COUNTS_HEADER, COUNTS_PROTOCOL, type RequestCounts } from "../../wire/request_counts.ts";
import { headers as names, PROOF_PROTOCOL } from "../../wire/streams.ts";
import type { Transport } from "../../net/transport.ts";
import { type Relieved, UnreadStreams } from "./unread_streams.ts";
import { type ClusterNames, nameOf, type ProofVerdict, verifyProof } from "./proof.ts";

/** relay's identity in its challenges, which attach told it. */
export interface TunnelIdentity {
  readonly hello: Hello;
  readonly cluster: ClusterNames;
  /** UID of the agent's own pod. */
  readonly pod: string;
  readonly node: string;
}

/** Milliseconds that the daemon has to answer a challenge. */
const ANSWER_MS = 10_000;
/** Milliseconds between PINGs, and until one counts as lost: a laptop that fell silent is left after 8 s at most. */
const PING_MS = 4_000;

/** The verdict on a daemon's answer to a challenge; `refused` when it gave none, since it may not know the rule yet. */
export type Answer = ProofVerdict | { readonly kind: "refused"; readonly reason: string };

/**
 * One tunnel: a connection that a laptop made to relay's loopback port through the API server. Roles are reversed: relay
 * is the HTTP/2 client. The tunnel carries connections of the rules that it has proven, and of no others.
 */
export class SessionTunnel implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #kept: KeptConnection;
  readonly #identity: TunnelIdentity;
  #session: string | undefined;
  #proven: ReadonlySet<string> = new Set();
  #reset = 0;
  readonly #unread = new UnreadStreams();

  constructor(transport: Transport, identity: TunnelIdentity) {
    this.#connection = new Connection(transport, { role: "client" });
    this.#kept = new KeptConnection(this.#connection, { everyMs: PING_MS, timeoutMs: PING_MS });
    this.#identity = identity;
  }

  /** The session that the tunnel has proven to belong to. */
  get session(): string | undefined {
    return this.#session;
  }

  /** UIDs of the rules that the tunnel has proven. */
  get proven(): ReadonlySet<string> {
    return this.#proven;
  }

  /** Settles when the tunnel is closed; never rejects. */
  get closed(): Promise<ConnectionEnd> {
    return this.#kept.closed;
  }

  get streams(): number {
    return this.#connection.streams;
  }

  /**
   * Asks the daemon to prove that this tunnel belongs to a session with these rules, and keeps what was proven.
   * @param session The rules' session; undefined, with no rules, to learn which session it is.
   * @param keys By session UID, the public keys of the sessions that have rules here.
   * @throws when the tunnel is closed, or the daemon's version has none in common with this one.
   */
  async challenge(
    session: string | undefined,
    rules: readonly string[],
    keys: ReadonlyMap<string, string>,
  ): Promise<Answer> {
    const nonce = crypto.getRandomValues(new Uint8Array(32)).toHex();
    const { hello, cluster, pod, node } = this.#identity;
    const challenge: Challenge = { hello, pod, node, nonce, rules, cluster: cluster.uid };
    const headers = await this.#ask(challenge);
    const status = headerValue(headers, ":status");
    if (status !== "200") return { kind: "refused", reason: `the daemon answered ${status}` };
    const proof = headerValue(headers, PROOF_HEADER);
    const theirs = proof === undefined ? undefined : parseProof(proof)?.hello;
    const { version } = theirs === undefined ? hello : agree(hello, parseHello(theirs));
    const verdict = await verifyProof(proof, { version, cluster: nameOf(cluster, version), challenge, keys });
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
   * @throws {ConnectionClosed} {TooManyStreams} when this tunnel takes none: another one may.
   */
  open(headers: readonly (readonly [string, string])[]): Stream {
    const stream = this.#connection.open(headers);
    stream.closed.then(({ kind }) => {
      if (kind === "broken") this.#reset++;
    });
    const caller = headerValue(headers, names.caller) ?? "";
    this.#unread.add(caller.slice(0, caller.lastIndexOf(":")), stream);
    return stream;
  }

  /** Resets streams of callers that leave so much unread that all others of this laptop would wait. To be called often. */
  relieve(): Relieved[] {
    return this.#unread.relieve();
  }

  /** Intercepted connections that were reset, since the tunnel broke. */
  get reset(): number {
    return this.#reset;
  }

  /** Tells the laptop counts of its rules. An older daemon refuses the stream, and nothing follows from that. */
  report(counts: readonly RequestCounts[]): void {
    try {
      const stream = this.#connection.open([
        [":method", "CONNECT"],
        [":protocol", COUNTS_PROTOCOL],
        [":scheme", "http"],
        [":authority", "pmz"],
        [":path", "/"],
        [COUNTS_HEADER, JSON.stringify(counts)],
      ]);
      const close = () => stream.close();
      stream.response.then(close, close);
    } catch {
      // Closed, draining or full.
    }
  }

  /** Drops the proofs of rules that don't exist any more. */
  forget(isThere: (rule: string) => boolean): void {
    this.#proven = new Set([...this.#proven].filter(isThere));
  }

  /** Takes no new streams, and closes when the open ones have ended. */
  drain(): void {
    this.#connection.drain();
  }

  abort(reason: Error): void {
    this.#connection.abort(ErrorCode.CANCEL, reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }

  async #ask(challenge: Challenge): Promise<readonly Header[]> {
    // The answer comes after the peer's SETTINGS, which say whether it supports extended CONNECT (RFC 8441 §3).
    await this.#connection.ping(ANSWER_MS);
    if (!this.#connection.enableConnectProtocol) {
      throw new Error("the other end doesn't support extended CONNECT: it is not a daemon of pmz");
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
