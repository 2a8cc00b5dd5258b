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
      connections.push(new Connection(socket, { role: "server", onStream }));
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
  await stream.write(new TextEncoder().encode("hello"));
  await stream.closeWrite();
}

Deno.test({
  name: `h2spec passes in full against the relay of a port with personal rules${
    go === undefined ? " (skipped: no Go to build it with)" : ""
  }`,
  ignore: go === undefined,
  async fn() {
    const h2spec = await buildH2spec(go ?? "go");
    await using server = pod();
    await using at = front(server.port, [{ match: { methods: ["PUT"] }, port: 9 }]);
    const verdict = await runH2spec(h2spec, at.port);
    assert.deepEqual(verdict.failed, [], verdict.output);
    assert.ok(verdict.tests >= 146, verdict.output);
  },
});
