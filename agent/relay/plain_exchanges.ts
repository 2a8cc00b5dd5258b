/**
 * Answers requests as most are, for as long as they are: each in one piece, as its answer is, and sent to a server that is
 * connected already. Whatever differs from that is left as it is for HttpSession and Exchange, which know all cases.
 *
 * Hot path: a request that no rule may take has no object and no string of its own, and each has no promise but those of its
 * reads, its writes and two waits.
 */
import { type ByteReader, writeAll } from "../../http/byte_reader.ts";
import { PlainHead } from "../../http/plain_head.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { PlainRequest } from "../routing/plain_request.ts";
import { RoutableRequest } from "../routing/request.ts";
import type { RoutedRule, Router } from "../routing/router.ts";
import { Broken, write } from "./broken.ts";
import type { Servers } from "./servers.ts";
import type { Upstream } from "./upstream.ts";

/** What is left to others. */
export type Beyond =
  /** Nothing was decided: it isn't plain what the caller has sent, or one of the ends has ended. */
  | { readonly kind: "waiting" }
  /** A request was decided, and not sent: its server has to be dialled. */
  | { readonly kind: "decided"; readonly request: RoutableRequest; readonly rule: RoutedRule | undefined }
  /** A request was sent, all of it; its answer isn't plain, or one of the ends has ended before it. */
  | {
    readonly kind: "asked";
    readonly upstream: Upstream;
    readonly rule: RoutedRule | undefined;
    /** All of it, where it has to be sent again if its server closes meanwhile. */
    readonly held: Uint8Array | undefined;
  }
  /** A request was answered, and its server has said more. */
  | { readonly kind: "answered"; readonly upstream: Upstream };

/** The last head that was read; nothing waits between reading and using it. */
const head = new PlainHead();

export class PlainExchanges {
  readonly #caller: AbortableTransport;
  readonly #reader: ByteReader;
  readonly #servers: Servers;
  readonly #router: () => Router;
  readonly #address: string;
  #resolve: () => void = () => {};
  readonly #wake = () => this.#resolve();

  /** @param address the caller's */
  constructor(
    caller: AbortableTransport,
    reader: ByteReader,
    servers: Servers,
    router: () => Router,
    address: string,
  ) {
    this.#caller = caller;
    this.#reader = reader;
    this.#servers = servers;
    this.#router = router;
    this.#address = address;
  }

  /** Answers until something isn't plain. @throws {Broken} */
  async run(): Promise<Beyond> {
    const [reader, servers] = [this.#reader, this.#servers];
    for (;;) {
      while (reader.available === 0) {
        const { last } = servers;
        if (reader.over || last?.stale) return waiting;
        reader.readThen(this.#wake);
        last?.reader.readThen(this.#wake);
        await this.#woken();
      }
      const bytes = reader.buffered;
      if (servers.last?.stale || !head.readRequest(bytes)) return waiting;
      const { end } = head;
      const length = end + head.bodyLength;
      if (length > bytes.length) return waiting;
      const router = this.#router();
      const rule = router.excludes(head)
        ? undefined
        : router.byRequest(new PlainRequest(head), this.#address);
      const isRepeatable = head.isIdempotent;
      const upstream = servers.ready(rule, isRepeatable);
      if (!upstream) {
        return { kind: "decided", request: new RoutableRequest(bytes.subarray(0, end)), rule };
      }
      // A server that was idle may close its connection at this very moment.
      const isHeld = isRepeatable && upstream.restingSince !== undefined;
      upstream.busy = true;
      await write(upstream, length === bytes.length ? bytes : bytes.subarray(0, length));
      servers.asked(upstream, rule);
      const isAnswered = await this.#answer(upstream.reader, length);
      if (!isAnswered) {
        const held = isHeld ? reader.buffered.slice(0, length) : undefined;
        reader.skip(length);
        return { kind: "asked", upstream, rule, held };
      }
      reader.skip(length);
      if (upstream.reader.available > 0) return { kind: "answered", upstream };
      upstream.answered();
    }
  }

  /**
   * Passes the answer on, if it is plain. False where it isn't, and nothing of it was passed on.
   * @param length bytes of the request, which stay buffered meanwhile: it may have to be sent again
   */
  async #answer(server: ByteReader, length: number): Promise<boolean> {
    const reader = this.#reader;
    while (server.available === 0) {
      if (server.over || reader.over) return false;
      server.readThen(this.#wake);
      // The caller may leave.
      if (reader.available === length) reader.readThen(this.#wake);
      await this.#woken();
    }
    const bytes = server.buffered;
    if (!head.readResponse(bytes)) return false;
    const answer = head.end + head.bodyLength;
    if (answer > bytes.length) return false;
    await this.#toCaller(answer === bytes.length ? bytes : bytes.subarray(0, answer));
    server.skip(answer);
    return true;
  }

  async #toCaller(bytes: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#caller, bytes);
    } catch (error) {
      throw new Broken("caller", error);
    }
  }

  /** Waits for one of the reads that were begun. */
  #woken(): Promise<void> {
    return new Promise((resolve) => this.#resolve = resolve);
  }
}

const waiting: Beyond = { kind: "waiting" };
