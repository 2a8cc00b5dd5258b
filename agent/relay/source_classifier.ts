import { type Endpoint, formatEndpoint, parseAddress } from "../../net/address.ts";
import type { RelayMessage } from "../../wire/handover.ts";
import type { Source } from "./upstreams.ts";

/** Milliseconds that attach has to answer; then the connection goes to the pod. */
const ANSWER_MS = 1_000;
/** Questions that attach has at a time: with more of them unread no other message would fit into its socket. */
const MOST_ASKED = 128;
/** The source address of the kubelet's probes in Istio's ambient mode. */
const AMBIENT_PROBES = "169.254.7.127";

type Question = Extract<RelayMessage, { tell: "classify" }>;

/**
 * Tells the kubelet's probes from other connections. Probes come from the node's own addresses, and so does NodePort
 * traffic. Only attach can see whether the other end is a socket of the kubelet's, so it is asked about connections from
 * these addresses. All others aren't asked about and lose no time.
 *
 * A probe goes to the pod, so a probe of HTTP or gRPC says how the application is. One that only connects (tcpSocket)
 * succeeds as soon as the listener accepts, even where the application doesn't listen: it says less while its port is
 * intercepted. Its socket is often closed before attach looks; intercepted_connection.ts drops those.
 */
export class SourceClassifier {
  readonly #send: (message: Question) => void;
  readonly #waiting = new Map<number, (kubelet: boolean) => void>();
  /** Not sent yet, in order. */
  readonly #queue = new Map<number, Question>();
  /** Sent, and neither answered nor given up. */
  readonly #asked = new Set<number>();
  #host: ReadonlySet<string> | "any" = new Set();
  #next = 0;

  constructor(send: (message: Question) => void) {
    this.#send = send;
  }

  /** Sets the addresses of the node's own network namespace; with `any`, attach is asked about every connection. */
  setHost(addresses: readonly string[] | "any"): void {
    this.#host = addresses === "any"
      ? addresses
      : new Set(addresses.map((address) => parseAddress(address)?.text ?? address));
  }

  /** Takes attach's answer to a question. */
  answered(id: number, kubelet: boolean): void {
    this.#waiting.get(id)?.(kubelet);
  }

  /** Classifies a connection; without an answer in time it counts as a probe, so that the pod answers. */
  async classify(caller: Endpoint, destination: Endpoint): Promise<Source> {
    const { text } = caller.address;
    if (text === AMBIENT_PROBES) return "kubelet";
    if (this.#host !== "any" && !this.#host.has(text)) return "other";
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.set(id, resolve);
    const timer = setTimeout(() => resolve(true), ANSWER_MS);
    this.#queue.set(id, {
      tell: "classify",
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
