import assert from "node:assert/strict";
import { Connection, type Stream } from "../../hbone/mod.ts";
import { findGo } from "./go.ts";
import { buildH2spec, runH2spec } from "./h2spec.ts";

const go = await findGo();

/** Answers any request with a few bytes once it has come to its end, as h2spec expects of a web server. */
async function answer(stream: Stream): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  while (await stream.read(buffer) !== null);
  stream.respond([[":status", "200"], ["content-type", "text/plain"]]);
  const body = new TextEncoder().encode("hello");
  for (let at = 0; at < body.length;) at += await stream.write(body.subarray(at));
  await stream.closeWrite();
}

Deno.test({
  name: go === undefined
    ? "h2spec passes in full (skipped: no Go to build it with)"
    : "h2spec passes in full",
  ignore: go === undefined,
  async fn() {
    const h2spec = await buildH2spec(go ?? "go");
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const connections: Connection[] = [];
    const accepting = (async () => {
      for await (const socket of listener) {
        connections.push(
          new Connection(socket, {
            role: "server",
            // Its case of HEADERS beyond SETTINGS_MAX_FRAME_SIZE sends 20 KiB, whatever was announced.
            settings: { maxFrameSize: 16_384 },
            onStream: (stream) => {
              // A stream that breaks is what many of the cases are about.
              answer(stream).catch(() => {});
            },
          }),
        );
      }
    })();
    try {
      const verdict = await runH2spec(h2spec, listener.addr.port);
      assert.equal(verdict.passed, verdict.tests, verdict.output);
      assert.ok(verdict.tests >= 146, verdict.output);
      // No case ends more than its own connection, and each ends with a reason.
      const ends = await Promise.all(connections.map(async (connection) => {
        connection.abort();
        return await connection.closed;
      }));
      assert.ok(ends.length >= 146);
    } finally {
      listener.close();
      await accepting;
    }
  },
});
