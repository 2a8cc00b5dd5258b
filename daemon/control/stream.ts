import { follow } from "../../async/abort.ts";

/**
 * Streams values as NDJSON, as fast as the reader takes them, until there are no more, the reader goes away, or
 * `closing` aborts.
 * @param values stops when its signal aborts
 */
export function streamValues(
  values: (signal: AbortSignal) => AsyncIterable<unknown>,
  closing: AbortSignal,
): Response {
  const encoder = new TextEncoder();
  const ending = new AbortController();
  const following = follow(closing, ending);
  const iterator = values(ending.signal)[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (!done) return controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      following[Symbol.dispose]();
      controller.close();
    },
    async cancel() {
      following[Symbol.dispose]();
      ending.abort(new DOMException("the reader went away", "AbortError"));
      await iterator.return?.(); // it may stand at a value that was not taken
    },
  });
  return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
}
