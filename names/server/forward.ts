/** Forwards queries that aren't for pmz to the laptop's own nameserver, over UDP; query and answer stay as they are. */
import { SystemCallError } from "../../ffi/libc.ts";
import { UdpConnection } from "../../ffi/sockets/udp_connection.ts";
import { formatEndpoint, parseAddress } from "../../net/address.ts";
import { Silence } from "./silence.ts";

/** A nameserver of resolv.conf, "fe80::1%eth0" where it needs an interface; its port is 53 except in tests. */
export interface Nameserver {
  readonly address: string;
  readonly port: number;
}

/** There is no answer: "silent", none came in time; "unreachable", the query could not be sent; "overtaken", others needed its place. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
  constructor(
    readonly kind: "silent" | "unreachable" | "overtaken",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Milliseconds; longer than any resolver waits for one attempt (glibc: 5 s). */
const ANSWER_MS = 10_000;
/** Each waiting query has a socket of its own. */
const MOST_IN_FLIGHT = 512;
const [ENETUNREACH, ECONNREFUSED, EHOSTUNREACH] = [101, 111, 113];
/** Milliseconds without any answer after which a nameserver counts as silent. */
const SILENT_AFTER_MS = 300;

/**
 * Forwards over UDP. Each query has a socket of its own: an attacker off the path would have to guess the kernel's random port and
 * the client's random id together (RFC 5452 §9). The socket is connected, so that only datagrams from the nameserver come, and a
 * nameserver that refuses is known to at once.
 */
export class UdpForwarder {
  readonly #waiting = new Set<AbortController>();
  readonly #silence = new Silence();
  readonly #limits: { readonly answerMs: number; readonly mostInFlight: number };

  constructor(limits: { readonly answerMs?: number; readonly mostInFlight?: number } = {}) {
    this.#limits = {
      answerMs: limits.answerMs ?? ANSWER_MS,
      mostInFlight: limits.mostInFlight ?? MOST_IN_FLIGHT,
    };
  }

  get inFlight(): number {
    return this.#waiting.size;
  }

  /** Whether a nameserver has answered nothing for a moment, though it was asked. */
  isSilent(nameserver: Nameserver): boolean {
    return this.#silence.isSilent(keyOf(nameserver), SILENT_AFTER_MS);
  }

  /** @throws {NoAnswer} when no answer comes, or newer queries need the place of this one: the oldest client has most likely given up */
  async ask(query: Uint8Array, { address, port }: Nameserver, signal?: AbortSignal): Promise<Uint8Array> {
    const [oldest] = this.#waiting;
    if (oldest && this.#waiting.size >= this.#limits.mostInFlight) {
      this.#waiting.delete(oldest);
      oldest.abort(new NoAnswer("overtaken", "too many queries wait for an answer"));
    }
    const place = new AbortController();
    this.#waiting.add(place);
    const timer = setTimeout(() => {
      place.abort(new NoAnswer("silent", `${address} didn't answer within ${this.#limits.answerMs} ms`));
    }, this.#limits.answerMs);
    const stopped = () => place.abort(signal?.reason);
    signal?.addEventListener("abort", stopped);
    try {
      signal?.throwIfAborted();
      this.#silence.asked(keyOf({ address, port }));
      const answer = await exchange(query, { address, port }, place.signal);
      this.#silence.heard(keyOf({ address, port }));
      return answer;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stopped);
      this.#waiting.delete(place);
    }
  }
}

const keyOf = ({ address, port }: Nameserver): string => formatEndpoint(address, port);

async function exchange(
  query: Uint8Array,
  { address, port }: Nameserver,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  promise.catch(() => {}); // it may fail before it's waited for
  const stopped = () => reject(signal.reason);
  signal.addEventListener("abort", stopped);
  const unreachable = (cause: unknown) =>
    new NoAnswer("unreachable", whyUnreachable(address, cause), { cause });
  try {
    const [plain = "", zone] = address.split("%");
    const to = parseAddress(plain);
    if (!to) throw unreachable("it is not a valid address");
    await using connection = await UdpConnection.open(
      { address: to, port, ...(zone === undefined ? {} : { zone }) },
      (bytes) => answers(bytes, query) && resolve(bytes),
      (error) => reject(unreachable(error)),
    ).catch((error) => {
      throw unreachable(error);
    });
    if (signal.aborted) stopped();
    else connection.send(query);
    return await promise;
  } finally {
    signal.removeEventListener("abort", stopped);
  }
}

function whyUnreachable(address: string, cause: unknown): string {
  if (cause instanceof SystemCallError) {
    if (cause.errno === ECONNREFUSED) return `nothing listens at ${address}`;
    if (cause.errno === ENETUNREACH || cause.errno === EHOSTUNREACH) return `there is no way to ${address}`;
  }
  return `can't send to ${address}: ${cause instanceof Error ? cause.message : cause}`;
}

/**
 * Whether `bytes` is an answer to `query`: the same id, a response, and the same question in any letter case. An error may come
 * without its question, which RFC 1035 leaves open.
 */
export function answers(bytes: Uint8Array, query: Uint8Array): boolean {
  if (bytes.length < 12 || bytes[0] !== query[0] || bytes[1] !== query[1] || !((bytes[2] ?? 0) & 0x80)) {
    return false;
  }
  const questions = (bytes[4] ?? 0) << 8 | (bytes[5] ?? 0);
  const failed = ((bytes[3] ?? 0) & 15) !== 0;
  const end = endOfQuestion(query);
  if (questions === 0) return failed || end === undefined;
  // The query is malformed, so that its question has no end: the client knows the answer by its id.
  if (end === undefined) return true;
  if (bytes.length < end) return false;
  for (let i = 12; i < end; i++) if (lower(bytes[i] ?? 0) !== lower(query[i] ?? 0)) return false;
  return true;
}

const lower = (byte: number): number => byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;

/** Where the first question ends; undefined when there is no question, or its name is compressed, which it can't validly be. */
function endOfQuestion(query: Uint8Array): number | undefined {
  if (((query[4] ?? 0) << 8 | (query[5] ?? 0)) === 0) return undefined;
  for (let at = 12;;) {
    const size = query[at];
    if (size === undefined || size > 63) return undefined;
    at += size + 1;
    if (size === 0) return at + 4 <= query.length ? at + 4 : undefined;
  }
}
