/** A tab's stream of events: `text/event-stream` of the HTML standard, 9.2. */
import type { LiveEvent } from "./live.ts";
import type { EndView } from "./views.ts";

/** Tabs that may follow at once: a browser has six connections to a server, and needs some for the rest. */
const MOST_TABS = 4;

/** The streams of all tabs. */
export class EventStreams {
  readonly #open = new Set<AbortController>();

  /**
   * A stream for one more tab, made as fast as that reads. Where there are too many, the one that is open for longest ends.
   * @param events stops when its signal aborts
   */
  add(events: (signal: AbortSignal) => AsyncIterable<LiveEvent>): Response {
    for (const oldest of this.#open) {
      if (this.#open.size < MOST_TABS) break;
      this.#end(oldest, { kind: "replaced" });
    }
    const ending = new AbortController();
    this.#open.add(ending);
    const encoder = new TextEncoder();
    const iterator = events(ending.signal)[Symbol.asyncIterator]();
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { value, done } = await iterator.next();
        if (!done && !ending.signal.aborted) return controller.enqueue(encoder.encode(textOf(value)));
        this.#open.delete(ending);
        controller.enqueue(encoder.encode(`event: end\ndata: ${JSON.stringify(ending.signal.reason)}\n\n`));
        controller.close();
        await iterator.return?.();
      },
      cancel: async () => {
        this.#open.delete(ending);
        ending.abort({ kind: "interrupted" } satisfies EndView);
        await iterator.return?.();
      },
    }, { highWaterMark: 0 });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  /** Ends all of them, and says why. */
  close(end: EndView): void {
    for (const one of this.#open) this.#end(one, end);
  }

  #end(one: AbortController, end: EndView): void {
    this.#open.delete(one);
    one.abort(end);
  }
}

function textOf({ name, data }: LiveEvent): string {
  return data === undefined ? `: ${name}\n\n` : `event: ${name}\ndata: ${data}\n\n`;
}
