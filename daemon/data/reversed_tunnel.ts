import { Connection, type Header, relay, type Stream } from "../../hbone/mod.ts";
import {
  type Challenge,
  CHALLENGE_HEADER,
  parseChallenge,
  type Proof,
  PROOF_HEADER,
} from "../../wire/key_proof.ts";
import { parseHello } from "../../wire/hello.ts";
import {
  formatProxyStatus,
  headers,
  parseRuleTarget,
  PROOF_PROTOCOL,
  type ProxyError,
  proxyErrors,
} from "../../wire/streams.ts";
import type { AbortableTransport, Transport } from "../../wire/transport.ts";
import { backoff, sleep } from "../../kube/backoff.ts";
import { follow } from "../../kube/signals.ts";

const REDIAL = { firstMs: 100, maxMs: 5_000 };
const PING_EVERY_MS = 3_000;
const PING_TIMEOUT_MS = 7_000; // with the interval: an agent that went silent is left within 10 s
const DIAL_TIMEOUT_MS = 10_000;

/** What a reversed tunnel leans on. */
export interface ReversedTunnelParts {
  dial(signal: AbortSignal): Promise<Transport>;
  /** Dials the laptop's own end of a rule. @throws {LocalRefusal} */
  local(rule: string, port: number): Promise<{ transport: AbortableTransport | Transport; done(): void }>;
  prove(challenge: Challenge): Promise<Proof | undefined>;
  log(message: string): void;
}

/** The laptop's own end can't take a connection. */
export class LocalRefusal extends Error {
  override name = "LocalRefusal";
  readonly kind: ProxyError;

  constructor(kind: ProxyError, message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * The way in from one node's agent: the laptop dials, then the roles are swapped: the agent opens a CONNECT stream
 * for each intercepted connection, and this side answers. It comes back by itself until it's disposed.
 */
export class ReversedTunnel implements AsyncDisposable {
  readonly #parts: ReversedTunnelParts;
  readonly #ending = new AbortController();
  readonly #loop: Promise<void>;

  constructor(parts: ReversedTunnelParts) {
    this.#parts = parts;
    this.#loop = this.#keep();
  }

  async #keep(): Promise<void> {
    let failures = 0;
    const signal = this.#ending.signal;
    while (!signal.aborted) {
      try {
        const transport = await this.#parts.dial(signal);
        if (signal.aborted) return transport.close();
        await using connection = new Connection(transport, {
          role: "server",
          onStream: (stream) => void this.#serve(stream),
        });
        await this.#watch(connection, () => failures = 0);
      } catch (error) {
        this.#parts.log(`node agent: ${error instanceof Error ? error.message : error}`);
      }
      await sleep(backoff(REDIAL, failures++), signal);
    }
  }

  async #watch(connection: Connection, alive: () => void): Promise<void> {
    const over = new AbortController();
    const ended = connection.closed.then(() => over.abort());
    using _ending = follow(this.#ending.signal, over);
    while (!over.signal.aborted) {
      try {
        await connection.ping(PING_TIMEOUT_MS);
        alive();
      } catch {
        connection.abort();
        break;
      }
      await sleep(PING_EVERY_MS, over.signal);
    }
    if (!this.#ending.signal.aborted) await ended;
  }

  async #serve(stream: Stream): Promise<void> {
    const request = new Map(stream.request);
    try {
      if (request.get(":method") !== "CONNECT") {
        return refuse(stream, "destination_not_found", "only CONNECT");
      }
      if (request.get(":protocol") === PROOF_PROTOCOL) {
        return await this.#prove(stream, request.get(CHALLENGE_HEADER) ?? "");
      }
      if (request.has(":protocol")) return refuse(stream, "destination_not_found", "an unknown :protocol");
      const target = parseRuleTarget(request.get(":authority") ?? "");
      if (!target) return refuse(stream, "destination_ip_prohibited", "a stream names RULE:PORT");
      const { transport, done } = await this.#parts.local(target.rule, target.port);
      try {
        stream.respond([[":status", "200"]]);
        await relay(transport, stream);
      } finally {
        done();
      }
    } catch (error) {
      if (error instanceof LocalRefusal) refuse(stream, error.kind, error.message);
      else stream.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #prove(stream: Stream, json: string): Promise<void> {
    const challenge = parseChallenge(json);
    const proof = challenge && await this.#parts.prove({ ...challenge, hello: parseHello(challenge.hello) });
    if (!proof) return refuse(stream, "destination_ip_prohibited", "not this daemon's to prove");
    stream.respond([[":status", "200"], [PROOF_HEADER, JSON.stringify(proof)]], { end: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#loop;
  }
}

/** Dials the laptop's own end of an intercept. @throws {LocalRefusal} */
export async function dialLocal(host: string, port: number): Promise<Deno.TcpConn> {
  try {
    const conn = await Deno.connect({ hostname: host, port, signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
    conn.setNoDelay();
    return conn;
  } catch (error) {
    const where = `${host}:${port} on the laptop`;
    if (error instanceof Deno.errors.ConnectionRefused) {
      throw new LocalRefusal("connection_refused", `nothing listens at ${where}`);
    }
    if (error instanceof DOMException) {
      throw new LocalRefusal("connection_timeout", `${where} doesn't answer`);
    }
    throw new LocalRefusal(
      "destination_ip_unroutable",
      `${where}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function refuse(stream: Stream, error: ProxyError, details: string): void {
  const answer: Header[] = [
    [":status", String(proxyErrors[error])],
    [headers.proxyStatus, formatProxyStatus("pmz-laptop", error, details)],
  ];
  try {
    stream.respond(answer, { end: true });
  } catch {
    stream.abort();
  }
}
