// The daemon's end of captured UDP, with its own parts; a program answers what it is told to by the datagrams themselves.
import { UdpCapture } from "../../../daemon/laptop/udp_capture.ts";
import { DestinationSockets } from "../../../dataplane/udp/destination_sockets.ts";
import type { UdpDestination } from "../../../dataplane/udp/captured_udp.ts";
import { formatEndpoint, parseAddress } from "../../../net/address.ts";
import { NUMBERED } from "./person.ts";
import type { HelperAnswer, HelperRequest } from "../../../wire/helper.ts";

/** Milliseconds after which a caller that closed its socket has none any more. */
const LATE_MS = 200;

type Ask = (request: HelperRequest, fds?: readonly number[]) => Promise<HelperAnswer & { readonly ok: true }>;

/** What has happened since the last time. */
export interface UdpNews {
  /** Callers whose sockets were closed: "4:41234". */
  readonly closed: readonly string[];
  /** Datagrams that came. */
  readonly received: number;
  /** Those that came by the catch-all socket. */
  readonly first: number;
  /** Those with a number that came after one with a larger number. */
  readonly reordered: number;
  /** The destinations that are open. */
  readonly open: readonly string[];
  readonly why?: string;
}

export class FakeUdp {
  readonly #ask: Ask;
  #capture: UdpCapture | undefined;
  #sockets: DestinationSockets | undefined;
  #closed: string[] = [];
  #received = 0;
  #first = 0;
  #reordered = 0;
  #last = -1;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Has the helper carry UDP. */
  async carry(): Promise<UdpNews> {
    const ask = this.#ask;
    this.#capture = await UdpCapture.start({
      helper: {
        async carryUdp(family, fd) {
          try {
            const answer = await ask({ ask: "udp", family }, [fd]);
            return "own" in answer ? { own: answer.own } : { why: "no address" };
          } catch (error) {
            return { why: (error as Error).message };
          }
        },
        openUdp: async ({ descriptor, address, port }) =>
          void await ask({ ask: "udp-destination", address, port }, [descriptor]),
        udpUnreachable: async (callers) => void await ask({ ask: "udp-unreachable", callers }),
      },
      data: {
        takesUdp: () => Promise.resolve(true),
        carryUdp: ({ own }, source) => {
          const address = parseAddress(own);
          if (!address) throw new TypeError(`${own} is not an address`);
          this.#sockets ??= this.#serve(new DestinationSockets(source));
          this.#sockets.setOwn(address);
          return Promise.resolve();
        },
        datagrams: (arrived) => {
          for (const one of arrived) this.#sockets?.arrived(one);
          this.#first += arrived.length;
          return Promise.resolve();
        },
        callersClosed: (callers) => Promise.resolve(this.#sockets?.callersClosed(callers)),
      },
      accounts: [],
      log: () => {},
    });
    return this.news();
  }

  #serve(sockets: DestinationSockets): DestinationSockets {
    sockets.received = (payload, callerPort, destination) => this.#answer(payload, callerPort, destination);
    sockets.closed = (family, port) => void this.#closed.push(`${family}:${port}`);
    return sockets;
  }

  #answer(payload: Uint8Array, callerPort: number, destination: UdpDestination): void {
    this.#received++;
    const said = new TextDecoder().decode(payload);
    if (said.startsWith(NUMBERED)) return this.#count(payload);
    if (said === "silence") return;
    if (said === "answer late") {
      return void setTimeout(() => destination.send(new Uint8Array(4), callerPort), LATE_MS);
    }
    if (said === "refuse") return destination.refuse(callerPort);
    if (said === "close") return destination.close();
    if (said.startsWith("echo")) return void destination.send(payload, callerPort);
    const place = formatEndpoint(destination.address, destination.port);
    destination.send(new TextEncoder().encode(`${place} heard ${said}`), callerPort);
  }

  #count(payload: Uint8Array): void {
    const number = new DataView(payload.buffer, payload.byteOffset).getUint32(NUMBERED.length);
    if (number > 0 && number < this.#last) this.#reordered++;
    this.#last = number;
  }

  news(): UdpNews {
    const why = this.#capture?.why;
    const news = {
      closed: this.#closed,
      received: this.#received,
      first: this.#first,
      reordered: this.#reordered,
      open: [...this.#sockets?.destinations ?? []].map(({ address, port }) => formatEndpoint(address, port)),
      ...why === undefined ? {} : { why },
    };
    [this.#closed, this.#received, this.#first, this.#reordered] = [[], 0, 0, 0];
    return news;
  }
}
