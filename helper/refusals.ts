import { sleep } from "../async/sleep.ts";
import { type Clock, systemClock } from "../async/clock.ts";
import { addressOf } from "../net/address.ts";
import type { HookRefusal, RefusalNews } from "../wire/helper.ts";

/** struct refusal of bpf/capture.bpf.c. */
export const REFUSAL_BYTES = 48;
/** Bytes of the ring buffer; also in bpf/capture.bpf.c: refusals_test.ts compares them. */
export const REFUSALS_BYTES = 262_144;
const IPPROTO_TCP = 6;

/** Between two messages, in milliseconds: a program that tries again and again costs a message in this time. */
const PAUSE_MS = 250;
/** Records that are read for one message, which is what the ring buffer holds; and different refusals in a message. */
const MOST_READ = 5_000;
const MOST_TOLD = 256;

/** What the hooks have refused: the ring buffer of bpf/capture.bpf.c. */
export interface RefusalSource extends Disposable {
  /** Waits until there are records; false when this was disposed. */
  ready(): Promise<boolean>;
  /** Gives the records that are there to `take`, the oldest first, until it answers false. */
  read(take: (record: Uint8Array<ArrayBuffer>) => boolean): void;
  /** How many found no room, since the beginning. */
  lost(): number;
  /** The time on the clock of the records, in nanoseconds. */
  now(): bigint;
}

/** Who is told of refusals. */
export interface RefusalListener {
  /** Sends a message; false when it can't be sent now. Its refusals are then counted as omitted. */
  tell(news: RefusalNews): boolean;
  /** Nothing more will be told. */
  failed(error: unknown): void;
}

/** Tells the daemon what the hooks refuse: at once, and then in messages that count equal ones. */
export class RefusalReporter implements AsyncDisposable {
  readonly #source: RefusalSource;
  readonly #listener: RefusalListener;
  readonly #clock: Clock;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  #omitted = 0;
  #lost = 0;

  /** @param source is disposed with this */
  constructor(source: RefusalSource, listener: RefusalListener, clock: Clock = systemClock) {
    this.#source = source;
    this.#listener = listener;
    this.#clock = clock;
    this.#running = this.#run().catch((error) => listener.failed(error));
  }

  async #run(): Promise<void> {
    while (await this.#source.ready()) {
      this.#report();
      await sleep(PAUSE_MS, this.#ending.signal, this.#clock);
    }
  }

  #report(): void {
    const found = new Map<string, Counted>();
    let read = 0;
    this.#source.read((record) => {
      const key = keyOf(record);
      const same = found.get(key);
      if (same) same.add(record);
      else if (found.size < MOST_TOLD) found.set(key, new Counted(record));
      else this.#omitted++;
      return ++read < MOST_READ;
    });
    const lost = this.#source.lost();
    this.#omitted += lost - this.#lost;
    this.#lost = lost;
    if (found.size === 0 && this.#omitted === 0) return;
    const now = this.#source.now();
    const refusals = [...found.values()].map((counted) => counted.as(now));
    const all = refusals.reduce((sum, { count }) => sum + count, this.#omitted);
    this.#omitted = this.#listener.tell({ refusals, omitted: this.#omitted }) ? 0 : all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#source[Symbol.dispose]();
    await this.#running;
  }
}

/** Equal refusals: the first one, how many there were, and when the last one was. */
class Counted {
  readonly #first: DataView;
  #count = 1;
  #last: bigint;

  constructor(record: Uint8Array<ArrayBuffer>) {
    this.#first = new DataView(record.buffer);
    this.#last = timeOf(record);
  }

  add(record: Uint8Array<ArrayBuffer>): void {
    this.#count++;
    this.#last = timeOf(record);
  }

  as(now: bigint): HookRefusal {
    const first = this.#first;
    const bytes = new Uint8Array(first.buffer);
    const since = (time: bigint) => Math.max(0, Math.round(Number(now - time) / 1e6));
    return {
      protocol: first.getUint16(12, true) === IPPROTO_TCP ? "tcp" : "udp",
      address: addressOf(bytes.slice(16, 32)).text,
      port: first.getUint16(14),
      process: first.getUint32(8, true),
      program: new TextDecoder().decode(bytes.subarray(32, 48)).replace(/\0[^]*$/, ""),
      count: this.#count,
      sinceFirst: since(first.getBigUint64(0, true)),
      sinceLast: since(this.#last),
    };
  }
}

function timeOf(record: Uint8Array<ArrayBuffer>): bigint {
  return new DataView(record.buffer).getBigUint64(0, true);
}

/** All of a record but its time, as text. */
function keyOf(record: Uint8Array<ArrayBuffer>): string {
  return String.fromCharCode(...record.subarray(8, REFUSAL_BYTES));
}
