import { withTimeout } from "../../async/timeout.ts";
import { SeqPacket } from "../../ffi/sockets/seqpacket.ts";
import { agree, helloOf, parseHello } from "../../wire/hello.ts";
import {
  type Account,
  type BlockingRule,
  type CapturedPorts,
  type DnsStub,
  type HelperAnswer,
  type HelperErrorCode,
  type HelperRequest,
  LONGEST_MESSAGE,
  type NetworkDamage,
  type NetworkNews,
  type RefusalNews,
  type UnreachableFor,
} from "../../wire/helper.ts";
import type { SocketToBind } from "../../dataplane/plane.ts";
import { Failure } from "../failure.ts";

/** Bytes of the list in a request, which leaves room for the rest, and its entries, so that each request is soon done. */
const BATCH_BYTES = LONGEST_MESSAGE - 1024;
const BATCH = 500;
/** A helper that is silent for longer hangs, in milliseconds: it is given up, with all that it has set up. */
const ANSWER_TIMEOUT_MS = 10_000;
/** A helper that has hung up may have said why: that is there within this, in milliseconds. */
const REFUSAL_MS = 1_000;

/** What the helper answered to `hello`. */
export interface HelperFacts {
  readonly address: string;
  readonly device: string;
  readonly table: number;
  readonly ranges: readonly string[];
  /** Undefined for an older helper, which doesn't say. */
  readonly never?: readonly string[];
  /** The accounts that are inside besides the user. */
  readonly also: readonly Account[];
}

/** What the helper answered to `names`. */
export interface RedirectedNames {
  /** The descriptor of the beat map; undefined when the helper sent none. */
  readonly beat: number | undefined;
  /** Addresses that were captured and aren't any longer, since they are nameservers of this machine now. */
  readonly released: readonly string[];
}

interface Received {
  readonly answer: HelperAnswer & { readonly ok: true };
  readonly fds: number[];
}

/** The helper refused a request. */
class Refused extends Failure {
  readonly refusal: HelperErrorCode;

  constructor(refusal: HelperErrorCode, why: string) {
    super("helper", `the root helper: ${why}`);
    this.refusal = refusal;
  }
}

/**
 * The daemon's connection to its root helper, which answers in order. Closing it undoes everything, since the helper ends with
 * this socket.
 */
export class HelperClient implements Disposable {
  readonly #socket: SeqPacket;
  readonly #waiting: PromiseWithResolvers<Received>[] = [];
  readonly #gone = Promise.withResolvers<void>();
  readonly #timeoutMs: number;
  #hearRefusals: (news: RefusalNews) => void = () => {};
  #closed = false;
  #onNetwork: ((news: NetworkNews["network"]) => void) | undefined;
  /** What came before there was a listener. */
  readonly #news: NetworkNews["network"][] = [];
  #facts: HelperFacts | undefined;
  /** Why the helper doesn't talk to this daemon: it says so before it is asked anything. */
  #refusal: Refused | undefined;

  private constructor(socket: SeqPacket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    void this.#listen();
  }

  /**
   * @param path the helper's socket
   * @throws {Failure} `helper` when there's none, or none that can be talked to.
   */
  static async connect(path: string, timeoutMs: number = ANSWER_TIMEOUT_MS): Promise<HelperClient> {
    const client = new HelperClient(connectSocket(path), timeoutMs);
    const hello = helloOf("helper");
    try {
      const { answer } = await client.#ask({ ask: "hello", hello });
      if (!("hello" in answer)) throw new Failure("helper", "the root helper's answer is not valid");
      agree(hello, parseHello(answer.hello));
      const { address, device, table, ranges, never, also = [] } = answer;
      client.#facts = { address, device, table, ranges, also, ...never && { never } };
      return client;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  get facts(): HelperFacts {
    if (!this.#facts) throw new TypeError("there was no hello yet"); // connect() returns clients that have said hello
    return this.#facts;
  }

  /** Resolves when the helper is gone, or this was closed. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Calls `listener`, the only one, with each change of the machine's network. */
  onNetwork(listener: (news: NetworkNews["network"]) => void): void {
    this.#onNetwork = listener;
    for (const news of this.#news.splice(0)) listener(news);
  }

  /** Says by which socket this process will make itself known: one that isn't connected yet. @throws {Failure} `helper` */
  async identify(fd: number): Promise<void> {
    await this.#ask({ ask: "identify" }, [fd]);
  }

  /** Hands listeners over; they become IP_TRANSPARENT and bound to the device. False where the device has no such addresses. */
  async listeners(family: 4 | 6, fds: readonly number[]): Promise<boolean> {
    try {
      await this.#ask({ ask: "listeners", family }, fds);
      return true;
    } catch (error) {
      if (error instanceof Refused && error.refusal === "unsupported") return false;
      throw error;
    }
  }

  /**
   * Has UDP of a family carried, by this catch-all socket.
   * @returns pmz's own address of that family, or why it can't be carried
   * @throws {Failure} `helper` when it is gone
   */
  async carryUdp(family: 4 | 6, fd: number): Promise<{ readonly own: string } | { readonly why: string }> {
    try {
      const { answer } = await this.#ask({ ask: "udp", family }, [fd]);
      return "own" in answer ? { own: answer.own } : { why: "the root helper's answer is not valid" };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const isOlder = error.refusal === "bad-request";
      return { why: isOlder ? "the root helper is older: pmz down, then pmz up" : error.message };
    }
  }

  /** Has a UDP socket bound to a captured address and port. @throws {Failure} `helper` also when it refuses */
  async openUdp({ descriptor, address, port }: SocketToBind): Promise<void> {
    await this.#ask({ ask: "udp-destination", address, port }, [descriptor]);
  }

  /** Tells callers that a port is unreachable. @throws {Failure} `helper` also when it refuses */
  async udpUnreachable(callers: readonly UnreachableFor[]): Promise<void> {
    await this.#ask({ ask: "udp-unreachable", callers });
  }

  /**
   * Captures addresses; says which the helper refused, and why.
   * @param accepted those in a range that was accepted for their cluster
   * @throws {Failure} `helper` when it is gone
   */
  async capture(
    addresses: ReadonlyMap<string, CapturedPorts>,
    accepted: ReadonlySet<string> = new Set(),
  ): Promise<Map<string, string>> {
    const refused = new Map<string, string>();
    const entries = [...addresses].map(([address, ports]) => ({
      address,
      ports,
      ...accepted.has(address) && { accepted: true },
    }));
    const add = entries.filter((entry) => lengthOf(entry) <= BATCH_BYTES);
    for (const { address, ports } of entries) {
      if (lengthOf({ address, ports }) > BATCH_BYTES) {
        refused.set(address, `it has ${ports.length} ports, which is too many`);
      }
    }
    for (const batch of batches(add)) {
      await this.#askBatch({ ask: "capture", add: batch }, batch.map(({ address }) => address), refused);
    }
    return refused;
  }

  /** Releases addresses; says which may still be captured, and why. @throws {Failure} `helper` when it is gone */
  async release(addresses: readonly string[]): Promise<Map<string, string>> {
    const refused = new Map<string, string>();
    for (const batch of batches(addresses)) {
      await this.#askBatch({ ask: "release", addresses: batch }, batch, refused);
    }
    return refused;
  }

  /** Sends one batch and adds to `refused`: all of its addresses when the request fails, since other batches may succeed. */
  async #askBatch(
    request: HelperRequest,
    addresses: readonly string[],
    refused: Map<string, string>,
  ): Promise<void> {
    try {
      const { answer } = await this.#ask(request);
      if ("refused" in answer) { for (const { address, why } of answer.refused) refused.set(address, why); }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      for (const address of addresses) refused.set(address, error.message);
    }
  }

  /** What drops connections to a captured address, which has to be dialled meanwhile; undefined where that isn't known. */
  async trace(address: string, port: number): Promise<BlockingRule | undefined> {
    const { answer } = await this.#ask({ ask: "trace", address, port });
    return "dropped" in answer ? answer.dropped : undefined;
  }

  /** Has the helper put right what others have changed of pmz's own network. @returns what; undefined for an older helper */
  async repair(): Promise<readonly NetworkDamage[] | undefined> {
    try {
      const { answer } = await this.#ask({ ask: "repair" });
      return "damage" in answer ? answer.damage : undefined;
    } catch (error) {
      if (error instanceof Refused) return undefined;
      throw error;
    }
  }

  /** The end of the helper's log, an object a line; undefined for an older helper. */
  async log(): Promise<string | undefined> {
    try {
      const { answer } = await this.#ask({ ask: "log" });
      return "log" in answer ? answer.log : undefined;
    } catch (error) {
      if (error instanceof Refused) return undefined;
      throw error;
    }
  }

  /** Sends the user's queries to these stubs. */
  async names(stubs: readonly DnsStub[], fds: readonly number[]): Promise<RedirectedNames> {
    const received = await this.#ask({ ask: "names", stubs }, fds);
    const released = "released" in received.answer ? received.answer.released : [];
    return { beat: received.fds[0], released };
  }

  /**
   * Has the helper tell what the hooks refuse.
   * @param hear must not throw
   * @returns the daemon's process id as the hooks see it; undefined for a helper that doesn't know this request
   */
  async followRefusals(hear: (news: RefusalNews) => void): Promise<number | undefined> {
    this.#hearRefusals = hear;
    try {
      const { answer } = await this.#ask({ ask: "refusals" });
      return "daemon" in answer ? answer.daemon : undefined;
    } catch (error) {
      if (error instanceof Refused) return undefined;
      throw error;
    }
  }

  async #ask(request: HelperRequest, fds: readonly number[] = []): Promise<Received> {
    if (this.#closed) throw helperGone();
    try {
      this.#socket.send(request, fds);
    } catch (cause) {
      await withTimeout(this.#gone.promise, REFUSAL_MS).catch(() => this[Symbol.dispose]());
      throw this.#refusal ?? helperGone(cause);
    }
    const waiting = Promise.withResolvers<Received>();
    this.#waiting.push(waiting);
    const timer = setTimeout(() => {
      waiting.reject(new Failure("helper", `the root helper doesn't answer (${request.ask})`));
      this[Symbol.dispose]();
    }, this.#timeoutMs);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async #listen(): Promise<void> {
    try {
      for (let received; (received = await this.#socket.receive());) {
        const answer = received.message as HelperAnswer | NetworkNews | RefusalNews; // root's own
        if ("network" in answer) {
          this.#tell(answer.network);
          continue;
        }
        if ("refusals" in answer) {
          this.#hearRefusals(answer);
          continue;
        }
        const waiting = this.#waiting.shift();
        if (!answer.ok && !waiting) this.#refusal = new Refused(answer.code, answer.error);
        if (answer.ok) waiting?.resolve({ answer, fds: received.fds });
        else waiting?.reject(new Refused(answer.code, answer.error));
      }
    } catch { /* gone */ }
    this[Symbol.dispose]();
  }

  #tell(news: NetworkNews["network"]): void {
    if (this.#onNetwork) this.#onNetwork(news);
    else this.#news.push(news);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket[Symbol.dispose]();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(helperGone());
    this.#gone.resolve();
  }
}

function connectSocket(path: string): SeqPacket {
  try {
    return SeqPacket.connect(path);
  } catch (cause) {
    throw new Failure("helper", "the root helper isn't running", {
      hint: "to start it with sudo: pmz up",
      cause,
    });
  }
}

function helperGone(cause?: unknown): Failure {
  return new Failure("helper", "the root helper has ended", { hint: "to start it again: pmz up", cause });
}

/** As many of them together as a request takes. */
function* batches<T>(all: readonly T[]): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const one of all) {
    const length = lengthOf(one);
    if (batch.length === BATCH || (batch.length > 0 && bytes + length > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += length;
  }
  if (batch.length > 0) yield batch;
}

/** Bytes of it in a list as JSON; all of it is ASCII. */
function lengthOf(entry: unknown): number {
  return JSON.stringify(entry).length + 1;
}
