/** Go's HTTP/2 and ours understand each other, in both roles. */
import assert from "node:assert/strict";
import { Connection, headerValue, type Stream, StreamReset } from "../../hbone/mod.ts";
import { CONNECT, copy, pattern, readAll, sha256, writeAll } from "../../hbone/testing/pair.ts";
import { findGo } from "./go.ts";
import { buildGoPeer, goClient, GoServer } from "./go_peer.ts";

const go = await findGo();

function interop(name: string, fn: (goPeer: string) => Promise<void>): void {
  Deno.test({
    name: go === undefined ? `${name} (skipped: no Go to build the peer with)` : name,
    ignore: go === undefined,
    fn: async () => await fn(await buildGoPeer(go ?? "go")),
  });
}

interop(
  "our client and Go's server: CONNECT, 24 MiB both ways, 200 streams, trailers, resets",
  async (goPeer) => {
    await using server = await GoServer.start(goPeer);
    const socket = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await using client = new Connection(socket, { role: "client" });

    const bytes = pattern(24 * 1024 * 1024);
    const large = client.open(CONNECT, { first: bytes.subarray(0, 1000) });
    const sending = writeAll(large, bytes.subarray(1000)).then(() => large.closeWrite());
    assert.equal(headerValue(await large.response, ":status"), "200");
    assert.equal(await sha256(await readAll(large)), await sha256(bytes));
    await sending;
    assert.deepEqual(await large.closed, { kind: "clean" });

    await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const own = pattern(10_000 + 100 * i, i + 1);
      const stream = client.open(CONNECT);
      const [back] = await Promise.all([
        readAll(stream),
        writeAll(stream, own).then(() => stream.closeWrite()),
      ]);
      assert.deepEqual(back, own);
    }));
    assert.equal(client.streams, 0);

    const post = client.open(
      [[":method", "POST"], [":scheme", "http"], [":authority", "a"], [":path", "/"]],
      { first: new TextEncoder().encode("some"), end: true },
    );
    assert.equal(headerValue(await post.response, "trailer"), "X-Sum");
    assert.equal(new TextDecoder().decode(await readAll(post)), "received");
    assert.deepEqual(await post.closed, { kind: "clean" });

    const reset = client.open([[":method", "CONNECT"], [":authority", "reset.default.svc:80"]]);
    await assert.rejects(readAll(reset), StreamReset);
    assert.equal((await reset.closed).kind, "reset");
  },
);

interop(
  "Go's client and our server: CONNECT, 24 MiB both ways, 200 streams, trailers, resets",
  async (goPeer) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const trying = goClient(goPeer, listener.addr.port);
    await using server = new Connection(await listener.accept(), { role: "server", onStream });
    assert.deepEqual(await trying, {
      large: true,
      streams: 200,
      trailers: "received 4 bytes",
      reset: "stream error: stream ID 405; CONNECT_ERROR; received from peer",
    });
    assert.equal(server.buffered, 0);
    assert.equal((await server.closed).kind, "clean");
  },
);

function onStream(stream: Stream): void {
  if (headerValue(stream.request, ":method") === "POST") {
    readAll(stream).then(async ({ length }) => {
      stream.respond([[":status", "200"]]);
      await writeAll(stream, new TextEncoder().encode(`received ${length} bytes`));
      await stream.closeWrite();
    });
    return;
  }
  stream.respond([[":status", "200"]]);
  if (headerValue(stream.request, ":authority") === "reset.default.svc:80") return stream.abort();
  copy(stream, stream).catch(() => {});
}
