import type { StreamEnd } from "../../hbone/mod.ts";
import { ByteReader } from "../../http/byte_reader.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { UnreadTransport } from "./unread_transport.ts";

/** A laptop that answers. */
export interface LaptopUpstream {
  readonly rule: string;
  readonly tunnel: unknown;
  /** How its stream ended. */
  readonly closed: Promise<StreamEnd>;
}

/** Where the requests of one caller's connection are answered: a laptop's program, or the pod's. */
export class Upstream {
  readonly transport: AbortableTransport;
  readonly reader: ByteReader;
  readonly end: "laptop" | "pod";
  /** The UID of its rule; none of the pod. */
  readonly rule: string | undefined;
  /** The laptop's newest tunnel when it was dialled; none of the pod. */
  readonly tunnel: unknown;
  /** Whether a request is under way. */
  busy = false;
  /** Called when a laptop's stream breaks: for those that aren't reading it then. */
  onBroken: (() => void) | undefined;
  /** When it began to wait for a further request, by `performance.now()`; undefined for a new one. It may close at any moment. */
  restingSince: number | undefined;
  #isStale = false;

  constructor(transport: AbortableTransport, laptop?: LaptopUpstream) {
    this.transport = transport;
    this.reader = new ByteReader(transport);
    this.end = laptop === undefined ? "pod" : "laptop";
    this.rule = laptop?.rule;
    this.tunnel = laptop?.tunnel;
    laptop?.closed.then(({ kind }) => {
      if (kind !== "clean") this.onBroken?.();
    });
  }

  /** It ended or spoke while it had no request: it gets no further one. */
  get stale(): boolean {
    return this.#isStale || !this.busy && (this.reader.over || this.reader.available > 0);
  }

  /** It waits for its next request; its end is noticed meanwhile. */
  rest(onStale: () => void = () => {}): void {
    this.answered();
    this.watch(onStale);
  }

  /** It waits for its next request; `watch`, or the next reader, notices its end. */
  answered(): void {
    this.busy = false;
    this.restingSince = performance.now();
  }

  /** Notices its end while it waits for its next request. */
  watch(onStale: () => void): void {
    const noticed = () => {
      if (this.busy) return;
      this.#isStale = true;
      onStale();
    };
    if (this.reader.buffered.length > 0) noticed();
    else this.reader.readAhead().then(noticed, noticed);
  }

  /** All that wasn't read yet, and what follows: the transport itself where nothing was read ahead, at no cost for each read. */
  unread(): AbortableTransport {
    if (this.reader.buffered.length === 0 && !this.reader.reading) return this.transport;
    return new UnreadTransport(this.transport, this.reader);
  }
}
