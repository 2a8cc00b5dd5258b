/** The laptop's end of reversed tunnels, for tests: answers challenges, and streams as the test says. */
import { until as holds } from "../../async/testing/until.ts";
import { Connection, type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import type { RelayedRule } from "../../wire/handover.ts";
import { type Hello, helloOf } from "../../wire/hello.ts";
import { CHALLENGE_HEADER, parseChallenge, PROOF_HEADER, signedBytes } from "../../wire/key_proof.ts";
import { PROOF_PROTOCOL } from "../../wire/streams.ts";
import type { Transport } from "../../net/transport.ts";

export const uid = (n: number): string => `${String(n).padStart(8, "0")}-1111-1111-1111-111111111111`;
export const hello = helloOf("reversed-tunnel");
const cluster = { uid: uid(200), caHash: "c".repeat(64) };
export const identity = { hello, cluster, pod: uid(100), node: "node-1" } as const;

/** The message that hands a pod over, for one worker and IPv4; the test adds the UID. */
export const aPod = {
  tell: "pod",
  pod: "default/echo",
  addresses: [],
  workers: 1,
  families: [4],
  datagrams: [],
  ports: [],
} as const;

export interface LaptopOptions {
  session?: string;
  /** The UID that it knows of its cluster, and the hash of its CA. */
  cluster?: { uid: string; caHash: string };
  /** Another release's. */
  hello?: Hello;
  /** Which challenges are answered with 403; none by default. */
  refuses?: (rules: readonly string[]) => boolean;
  /** The session that an answer names instead, by the number of earlier challenges. */
  claims?: (challenge: number) => string;
  /** Serves the stream of an intercepted connection. */
  onStream?: (stream: Stream) => void;
}

/** A daemon with its session key. */
export class Laptop {
  session: string;
  readonly challenges: (readonly string[])[] = [];
  readonly #key: CryptoKeyPair;
  readonly #publicKey: string;
  #options: LaptopOptions;

  private constructor(key: CryptoKeyPair, publicKey: string, options: LaptopOptions) {
    this.session = options.session ?? uid(1);
    this.#key = key;
    this.#publicKey = publicKey;
    this.#options = options;
  }

  static async make(options: LaptopOptions = {}): Promise<Laptop> {
    const key = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as CryptoKeyPair;
    const spki = new Uint8Array(await crypto.subtle.exportKey("spki", key.publicKey));
    return new Laptop(key, spki.toBase64(), options);
  }

  /** Sets the cluster and the server of streams later: a session's UID comes after its key. */
  answer(cluster: { uid: string; caHash: string }, onStream: (stream: Stream) => void): void {
    this.#options = { ...this.#options, cluster, onStream };
  }

  get publicKey(): string {
    return this.#publicKey;
  }

  /** A rule of its session, as attach tells it to relay. */
  rule(rule: string, port = 80): RelayedRule {
    return { uid: rule, port, session: this.session, publicKey: this.#publicKey };
  }

  /** Serves one tunnel. */
  serve(transport: Transport): Connection {
    return new Connection(transport, { role: "server", onStream: (stream) => this.#serve(stream) });
  }

  #serve(stream: Stream): void {
    if (headerValue(stream.request, ":protocol") === PROOF_PROTOCOL) {
      this.#prove(stream).catch((error) => stream.abort(error));
    } else if (this.#options.onStream) this.#options.onStream(stream);
    else stream.respond([[":status", "404"]], { end: true });
  }

  async #prove(stream: Stream): Promise<void> {
    const challenge = parseChallenge(headerValue(stream.request, CHALLENGE_HEADER) ?? "");
    if (!challenge) return stream.respond([[":status", "400"]], { end: true });
    const session = this.#options.claims?.(this.challenges.length) ?? this.session;
    this.challenges.push(challenge.rules);
    if (this.#options.refuses?.(challenge.rules)) return stream.respond([[":status", "403"]], { end: true });
    const nonce = crypto.getRandomValues(new Uint8Array(32)).toHex();
    const { cluster: { uid, caHash } = identity.cluster, hello: own = hello } = this.#options;
    const { version } = own;
    const cluster = version === 1 ? caHash : uid;
    const bytes = signedBytes({ version, cluster, challenge: { ...challenge, hello }, session, nonce });
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", this.#key.privateKey, bytes))
      .toBase64();
    const proof: Header = [PROOF_HEADER, JSON.stringify({ hello: own, session, nonce, signature })];
    stream.respond([[":status", "200"], proof], { end: true });
  }
}

/** Settles when `test` holds; fails after `ms` milliseconds. */
export async function until(test: () => boolean, what: string, ms = 5000): Promise<void> {
  await holds(what, test, ms);
}
