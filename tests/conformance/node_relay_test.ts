import assert from "node:assert/strict";
import fc from "fast-check";
import { front } from "../../agent/relay/testing/http2_front.ts";

const node = await findNode();

/** The path of Node, whose node:http2 is nghttp2's. */
async function findNode(): Promise<string | undefined> {
  try {
    const { success } = await new Deno.Command("node", { args: ["--version"] }).output();
    return success ? "node" : undefined;
  } catch {
    return undefined;
  }
}

const field = fc.tuple(
  fc.constantFrom("x-a", "x-b", "x-c", "via", "accept-language", "x-bin"),
  fc.string({ unit: fc.constantFrom("a", "Z", "9", ";", "=", "/", ",", "\xfc"), maxLength: 30 }),
  fc.boolean(),
);
const fields = fc.array(field, { maxLength: 5 });
const half = {
  fields,
  pieces: fc.array(fc.constantFrom(1, 500, 16_384, 100_000), { maxLength: 3 }),
  trailers: fc.option(fc.array(field, { minLength: 1, maxLength: 3 })),
  endsWithHeaders: fc.boolean(),
};
const exchange = fc.record({
  request: fc.record({ method: fc.constantFrom("GET", "POST", "PUT", "DELETE"), ...half }),
  response: fc.record({ status: fc.constantFrom(200, 201, 404, 503), ...half }),
  informational: fc.array(fields, { maxLength: 2 }),
  reset: fc.option(
    fc.record({ by: fc.constantFrom("client", "server"), code: fc.integer({ min: 1, max: 13 }) }),
    { freq: 4 },
  ),
});

/** The program, which is asked line by line. */
class Peer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  constructor(program: string) {
    const script = new URL("node_peer.mjs", import.meta.url).pathname;
    this.#process = new Deno.Command(program, { args: [script], stdin: "piped", stdout: "piped" }).spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stdin = this.#process.stdin.getWriter();
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("node ended");
      this.#rest += value;
    }
  }

  async ask(port: number, exchanges: unknown): Promise<unknown> {
    await this.#stdin.write(new TextEncoder().encode(`${JSON.stringify({ port, exchanges })}\n`));
    return JSON.parse(await this.line());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stdin.close();
    await this.#lines.cancel();
    await this.#process.status;
  }
}

Deno.test({
  name: `node:http2 sees the same of every exchange with and without the relay of a port with personal rules${
    node === undefined ? " (skipped: no Node)" : ""
  }`,
  ignore: node === undefined,
  async fn() {
    await using peer = new Peer(node ?? "node");
    const port = Number(await peer.line());
    // The laptop's program is the pod's, so that any stream may go either way.
    await using at = front(port, [{ match: { methods: ["POST", "DELETE"] }, port }]);
    await fc.assert(
      fc.asyncProperty(fc.array(exchange, { minLength: 1, maxLength: 8 }), async (exchanges) => {
        assert.deepEqual(await peer.ask(at.port, exchanges), await peer.ask(port, exchanges));
      }),
      { numRuns: 100 },
    );
    assert.ok((at.counts[0]?.taken ?? 0) > 0);
  },
});
