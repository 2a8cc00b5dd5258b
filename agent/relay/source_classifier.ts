import { type Endpoint, formatEndpoint, parseAddress } from "../../net/address.ts";
import type { Caller } from "./proxied_connection.ts";
import type { RelayMessage } from "../../wire/handover.ts";

/** Milliseconds that attach has to answer; then the connection goes to the pod. */
const ANSWER_MS = 1_000;
/** Questions that attach has at a time: with more unread than its socket holds nothing else would reach it either. */
const MOST_ASKED = 128;
/** Istio's ambient mode makes the kubelet's probes come from here, wherever they come from. */
const AMBIENT_PROBES = "169.254.7.127";

type Question = Extract<RelayMessage, { tell: "whose" }>;

/**
 * Tells the kubelet's probes from other connections. They come from the node's own addresses; but so does NodePort
 * traffic, so for what comes from these attach is asked, who can see whether the other end is a socket of the
 * kubelet's. Everything else isn't asked about and loses no time.
 *
 * A probe goes to the pod, so a probe of HTTP or gRPC says how the application is. One that only connects (tcpSocket)
 * succeeds as soon as the listener accepts, also where the application doesn't listen: it says less while its port is
 * intercepted. Its socket is often gone before attach looks; carry.ts keeps those from the laptop.
 */
export class Whose {
  readonly #send: (message: Question) => void;
  readonly #waiting = new Map<number, (kubelet: boolean) => void>();
  /** Not sent yet, in order. */
  readonly #queue = new Map<number, Question>();
  /** Sent, and neither answered nor given up. */
  readonly #asked = new Set<number>();
  #host: ReadonlySet<string> = new Set();
  #next = 0;

  constructor(send: (message: Question) => void) {
    this.#send = send;
  }

  /** The addresses of the node's own network namespace. */
  setHost(addresses: readonly string[]): void {
    this.#host = new Set(addresses.map((address) => parseAddress(address)?.text ?? address));
  }

  answered(id: number, kubelet: boolean): void {
    this.#waiting.get(id)?.(kubelet);
  }

  /** Whose a connection is; "kubelet" too when nobody could say in time: the pod answers then. */
  async whose(caller: Endpoint, destination: Endpoint): Promise<Caller> {
    const { text } = caller.address;
    if (text === AMBIENT_PROBES) return "kubelet";
    if (!this.#host.has(text)) return "other";
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.set(id, resolve);
    const timer = setTimeout(() => resolve(true), ANSWER_MS);
    this.#queue.set(id, {
      tell: "whose",
      id,
      caller: formatEndpoint(text, caller.port),
      destination: formatEndpoint(destination.address.text, destination.port),
    });
    this.#ask();
    try {
      return await promise ? "kubelet" : "node";
    } finally {
      clearTimeout(timer);
      for (const known of [this.#waiting, this.#queue, this.#asked]) known.delete(id);
      this.#ask();
    }
  }

  #ask(): void {
    for (const [id, question] of this.#queue) {
      if (this.#asked.size >= MOST_ASKED) return;
      this.#queue.delete(id);
      this.#asked.add(id);
      this.#send(question);
    }
  }
}
