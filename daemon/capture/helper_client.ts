import { SeqPacket } from "../../ffi/seqpacket.ts";
import { agree, parseHello } from "../../wire/hello.ts";
import {
  type CapturedPorts,
  HELPER_VERSION,
  type HelperAnswer,
  type HelperRequest,
  helperSocket,
  type StandIn,
} from "../../wire/helper.ts";
import { RELEASE } from "../../wire/version.ts";
import { Failure } from "../failure.ts";

/** Addresses a request: far below the limit of 256 KiB, with a Service's ports beside each. */
const BATCH = 500;

/** What the helper answered to `hello`. */
export interface HelperFacts {
  readonly address: string;
  readonly device: string;
  readonly table: number;
}

interface Received {
  readonly answer: HelperAnswer & { readonly ok: true };
  readonly fds: number[];
}

/**
 * The daemon's end of its root helper, which answers in order. Closing it undoes everything: the helper ends with
 * this socket.
 */
export class HelperClient implements Disposable {
  readonly #socket: SeqPacket;
  readonly #waiting: PromiseWithResolvers<Received>[] = [];
  readonly #gone = Promise.withResolvers<void>();
  #closed = false;
  #facts: HelperFacts | undefined;

  private constructor(socket: SeqPacket) {
    this.#socket = socket;
    void this.#listen();
  }

  /** @throws {Failure} `helper` when there's none, or none that can be talked to. */
  static async connect(uid: number): Promise<HelperClient> {
    const client = new HelperClient(connectSocket(uid));
    const hello = {
      protocol: "helper",
      version: HELPER_VERSION,
      oldest: HELPER_VERSION,
      features: [],
      release: RELEASE,
    } as const;
    try {
      const { answer } = await client.#ask({ ask: "hello", hello });
      if (!("hello" in answer)) throw new Failure("helper", "the helper's answer makes no sense");
      agree(hello, parseHello(answer.hello));
      client.#facts = { address: answer.address, device: answer.device, table: answer.table };
      return client;
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  get facts(): HelperFacts {
    if (!this.#facts) throw new TypeError("no hello yet"); // connect() gives nobody such a client
    return this.#facts;
  }

  /** Resolves when the helper is gone, or this was closed. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Hands listeners over; they become IP_TRANSPARENT and bound to the device. */
  async listeners(family: 4 | 6, fds: readonly number[]): Promise<void> {
    await this.#ask({ ask: "listeners", family }, fds);
  }

  /** Captures addresses; says which the helper refused, and why. */
  async capture(addresses: ReadonlyMap<string, CapturedPorts>): Promise<Map<string, string>> {
    const refused = new Map<string, string>();
    for (const batch of batches([...addresses], BATCH)) {
      const add = batch.map(([address, ports]) => ({ address, ports }));
      const { answer } = await this.#ask({ ask: "capture", add });
      if ("refused" in answer) { for (const { address, why } of answer.refused) refused.set(address, why); }
    }
    return refused;
  }

  async release(addresses: readonly string[]): Promise<void> {
    for (const batch of batches(addresses, BATCH)) await this.#ask({ ask: "release", addresses: batch });
  }

  /** Sends the user's queries to these stand-ins; the descriptor of the beat map is the answer. */
  async names(standIns: readonly StandIn[], fds: readonly number[]): Promise<number | undefined> {
    return (await this.#ask({ ask: "names", standIns }, fds)).fds[0];
  }

  #ask(request: HelperRequest, fds: readonly number[] = []): Promise<Received> {
    const waiting = Promise.withResolvers<Received>();
    if (this.#closed) waiting.reject(helperGone());
    else {
      this.#socket.send(request, fds);
      this.#waiting.push(waiting);
    }
    return waiting.promise;
  }

  async #listen(): Promise<void> {
    try {
      for (let received; (received = await this.#socket.receive());) {
        const answer = received.message as HelperAnswer; // root's own
        const waiting = this.#waiting.shift();
        if (answer.ok) waiting?.resolve({ answer, fds: received.fds });
        else waiting?.reject(new Failure("helper", `the root helper: ${answer.error}`));
      }
    } catch { /* gone */ }
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket[Symbol.dispose]();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(helperGone());
    this.#gone.resolve();
  }
}

function connectSocket(uid: number): SeqPacket {
  try {
    return SeqPacket.connect(helperSocket(uid));
  } catch (cause) {
    throw new Failure("helper", "pmz's root helper isn't running", {
      hint: "run `pmz up`: it starts it with sudo",
      cause,
    });
  }
}

function helperGone(): Failure {
  return new Failure("helper", "the root helper is gone", { hint: "run `pmz up` again" });
}

function* batches<T>(all: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}
