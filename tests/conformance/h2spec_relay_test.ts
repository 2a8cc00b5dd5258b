import assert from "node:assert/strict";
import { front } from "../../agent/relay/testing/http2_front.ts";
import { Connection, type Stream } from "../../hbone/mod.ts";
import { findGo } from "./go.ts";
import { buildH2spec, runH2spec } from "./h2spec.ts";

const go = await findGo();

/** A pod that answers any request with a few bytes once it has come to its end, as h2spec expects of a web server. */
function pod() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Connection[] = [];
  const accepting = (async () => {
    for await (const socket of listener) {
      const onStream = (stream: Stream) => void answer(stream).catch(() => {});
      // Its case of HEADERS beyond SETTINGS_MAX_FRAME_SIZE sends 20 KiB, whatever was announced.
      connections.push(
        new Connection(socket, { role: "server", settings: { maxFrameSize: 16_384 }, onStream }),
      );
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of connections) connection.abort();
      await Promise.all(connections.map(({ closed }) => closed));
    },
  };
}

async function answer(stream: Stream): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  while (await stream.read(buffer) !== null);
  stream.respond([[":status", "200"], ["content-type", "text/plain"]]);
  const body = new TextEncoder().encode("hello");
  for (let at = 0; at < body.length;) at += await stream.write(body.subarray(at));
  await stream.closeWrite();
}

for (
  const [whose, methods] of [
    ["the pod answers", ["PUT"]],
    ["a laptop answers", ["GET", "POST", "HEAD"]],
  ] as const
) {
  Deno.test({
    name: `h2spec passes in full against the relay of a port with personal rules whose requests ${whose}${
      go === undefined ? " (skipped: no Go to build it with)" : ""
    }`,
    ignore: go === undefined,
    async fn() {
      const h2spec = await buildH2spec(go ?? "go");
      await using server = pod();
      await using at = front(server.port, [{ match: { methods: [...methods] }, port: server.port }]);
      const verdict = await runH2spec(h2spec, at.port);
      assert.deepEqual(verdict.failed, [], verdict.output);
      assert.ok(verdict.tests >= 146, verdict.output);
    },
  });
}
