import { Connection, KeptConnection, RedialDelay, type Stream } from "../../hbone/mod.ts";
import {
  type Challenge,
  CHALLENGE_HEADER,
  parseChallenge,
  type Proof,
  PROOF_HEADER,
} from "../../wire/key_proof.ts";
import { parseHello } from "../../wire/hello.ts";
import {
  COUNTS_HEADER,
  COUNTS_PROTOCOL,
  parseRequestCounts,
  type RequestCounts,
} from "../../wire/request_counts.ts";
import { PROOF_PROTOCOL, UDP_PROTOCOL } from "../../wire/streams.ts";
import { follow, unlessAborted } from "../../async/abort.ts";
import { type DialTransport, dialUnlessAborted } from "./dial.ts";
import { refuseStream } from "./refuse_stream.ts";

/** Times are in milliseconds. */
export interface ReversedTunnelTimes {
  readonly redial: { readonly firstMs: number; readonly maxMs: number };
  readonly pingEveryMs: number;
  /** With the interval it makes 10 s, within which an agent that went silent is dialled again. */
  readonly pingTimeoutMs: number;
}

const TIMES: ReversedTunnelTimes = {
  redial: { firstMs: 100, maxMs: 5_000 },
  pingEveryMs: 3_000,
  pingTimeoutMs: 7_000,
};

/** Ping timeout after a network change, in milliseconds: a healthy agent answers well within it. */
const CHECK_TIMEOUT_MS = 1_500;

/** What a reversed tunnel needs. */
export interface ReversedTunnelParts {
  readonly dial: DialTransport;
  /** Takes the stream of an intercepted connection: a CONNECT without an answer yet. */
  serve(stream: Stream): void;
  /** Takes the stream of an intercepted UDP flow: a CONNECT-UDP without an answer yet. */
  serveUdp(stream: Stream): void;
  prove(challenge: Challenge): Promise<Proof | undefined>;
  /** Takes what the agent counted of personal rules since it told it last. */
  counted(counts: readonly RequestCounts[]): void;
  log(message: string, fields?: { readonly count?: number; readonly details?: string }): void;
}

/**
 * The tunnel from one node's agent. The laptop dials it, then the roles are swapped: the agent opens a CONNECT stream for
 * each intercepted connection, and this side answers. It is dialled again whenever it is lost, until it is disposed.
 */
export class ReversedTunnel implements AsyncDisposable {
  readonly #parts: ReversedTunnelParts;
  readonly #times: ReversedTunnelTimes;
  readonly #ending = new AbortController();
  readonly #loop: Promise<void>;
  #kept: KeptConnection | undefined;
  /** Aborts the dial that is under way, and the pause before it. */
  #dialling = new AbortController();
  readonly #redial: RedialDelay;
  /** Intercepted connections that the loss of the present connection has reset. */
  #reset = 0;

  constructor(parts: ReversedTunnelParts, times: Partial<ReversedTunnelTimes> = {}) {
    this.#parts = parts;
    this.#times = { ...TIMES, ...times };
    this.#redial = new RedialDelay(this.#times.redial);
    this.#loop = this.#keep();
  }

  /** Whether there is a connection, as far as is known: an agent that went silent is noticed within 10 s. */
  get isUp(): boolean {
    return this.#kept !== undefined;
  }

  /** Looks at once whether it lives, since the network has changed or the laptop slept. A dial that is under way begins again. */
  check(): void {
    this.#redial.succeeded();
    this.#dialling.abort(new DOMException("the network has changed", "AbortError"));
    void this.#kept?.check(CHECK_TIMEOUT_MS);
  }

  async #keep(): Promise<void> {
    const signal = this.#ending.signal;
    while (!signal.aborted) {
      const dialling = this.#dialling = new AbortController();
      using _following = follow(signal, dialling);
      if (this.#redial.failures > 0) {
        await this.#redial.wait(dialling.signal);
        if (dialling.signal.aborted) continue;
      }
      try {
        await using connection = new Connection(
          await dialUnlessAborted(this.#parts.dial, dialling.signal),
          { role: "server", onStream: (stream) => this.#take(stream) },
        );
        this.#dialling = new AbortController(); // the transport may listen to the one before for as long as it lives
        await this.#closed(connection);
      } catch (error) {
        if (signal.aborted) return;
        if (dialling.signal.aborted) continue;
        this.#redial.failed();
        this.#parts.log(`node agent: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  /** Keeps a connection until it closes. @throws the reason of this tunnel's end */
  async #closed(connection: Connection): Promise<void> {
    const { pingEveryMs: everyMs, pingTimeoutMs: timeoutMs } = this.#times;
    const onAnswer = () => {
      if (kept.stable) this.#redial.succeeded();
    };
    const kept = this.#kept = new KeptConnection(connection, { everyMs, timeoutMs, onAnswer });
    this.#reset = 0;
    const { kind, error } = await unlessAborted(kept.closed, this.#ending.signal).finally(() => {
      this.#kept = undefined;
    });
    if (kind !== "clean") {
      this.#parts.log(
        "the tunnel to a node agent broke: its intercepted connections were reset, it's dialled again",
        {
          count: this.#reset,
          ...(error === undefined ? {} : { details: error.message }),
        },
      );
    }
    if (!kept.stable) this.#redial.failed();
  }

  #take(stream: Stream): void {
    const request = new Map(stream.request.map(([name, value]) => [name, value]));
    if (request.get(":method") !== "CONNECT") {
      refuseStream(stream, "destination_not_found", "only CONNECT");
    } else if (request.get(":protocol") === PROOF_PROTOCOL) {
      this.#prove(stream, request.get(CHALLENGE_HEADER) ?? "").catch((error) => stream.abort(error));
    } else if (request.get(":protocol") === COUNTS_PROTOCOL) {
      this.#parts.counted(parseRequestCounts(request.get(COUNTS_HEADER) ?? "") ?? []);
      stream.respond([[":status", "200"]], { end: true });
      stream.close();
    } else if (request.has(":protocol") && request.get(":protocol") !== UDP_PROTOCOL) {
      refuseStream(stream, "destination_not_found", "an unknown :protocol");
    } else {
      if (request.has(":protocol")) this.#parts.serveUdp(stream);
      else this.#parts.serve(stream);
      stream.closed.then(({ kind }) => {
        if (kind === "broken") this.#reset++;
      });
    }
  }

  async #prove(stream: Stream, json: string): Promise<void> {
    const challenge = parseChallenge(json);
    const proof = challenge && await this.#parts.prove({ ...challenge, hello: parseHello(challenge.hello) });
    if (!proof) return refuseStream(stream, "destination_ip_prohibited", "not this daemon's to prove");
    stream.respond([[":status", "200"], [PROOF_HEADER, JSON.stringify(proof)]], { end: true });
    stream.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#loop;
  }
}
