import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { pollUntil } from "../../async/poll_until.ts";
import { DatagramReader } from "./datagram_reader.ts";
import { localEndpoint } from "./socket.ts";
import { loopbackUdpSocket } from "./udp_socket.ts";

/** One after the other: node:dgram looks addresses up, and keeps no order. */
function send(sender: dgram.Socket, text: string, port: number, hostname: string): Promise<void> {
  return new Promise((sent, failed) =>
    sender.send(text, port, hostname, (error) => error ? failed(error) : sent())
  );
}

for (const [family, hostname] of [[4, "127.0.0.1"], [6, "::1"]] as const) {
  Deno.test(`a datagram comes with both its ends, by IPv${family}`, async () => {
    using reader = new DatagramReader(loopbackUdpSocket(family), family);
    const { port } = localEndpoint(reader.descriptor);
    const sender = dgram.createSocket(family === 4 ? "udp4" : "udp6");
    try {
      sender.bind(0, hostname);
      await once(sender, "listening");
      for (const text of ["first", "", "x".repeat(60_000)]) await send(sender, text, port, hostname);
      const found: ReturnType<DatagramReader["read"]> = [];
      while (found.length < 3) {
        assert.equal(await reader.ready(), true);
        found.push(...reader.read());
      }
      assert.deepEqual(found.map(({ payload }) => payload.length), [5, 0, 60_000]);
      for (const { from, to } of found) {
        assert.deepEqual([to.address.text, to.port], [hostname, port]);
        assert.deepEqual([from.address.text, from.port], [hostname, sender.address().port]);
      }
      assert.deepEqual(reader.read(), [], "nothing more is there");
    } finally {
      sender.close();
      await once(sender, "close");
    }
  });
}

Deno.test("many datagrams are read in batches, in their order", async () => {
  using reader = new DatagramReader(loopbackUdpSocket(4), 4);
  const { port } = localEndpoint(reader.descriptor);
  const sender = dgram.createSocket("udp4");
  try {
    for (let i = 0; i < 100; i++) await send(sender, String(i), port, "127.0.0.1");
    const said: string[] = [];
    while (said.length < 100) {
      assert.equal(await reader.ready(), true);
      const batch = reader.read();
      assert.ok(batch.length <= 64);
      said.push(...batch.map(({ payload }) => new TextDecoder().decode(payload)));
    }
    assert.deepEqual(said, Array.from({ length: 100 }, (_, i) => String(i)));
  } finally {
    sender.close();
    await once(sender, "close");
  }
});

Deno.test("a reader that is closed while it waits ends the wait, and gives its socket back", async () => {
  const fd = loopbackUdpSocket(4);
  const { port } = localEndpoint(fd);
  const reader = new DatagramReader(fd, 4);
  const waiting = reader.ready();
  reader[Symbol.dispose]();
  reader[Symbol.dispose]();
  assert.equal(await waiting, false);
  assert.equal(await reader.ready(), false);
  assert.deepEqual(reader.read(), []);
  const isFree = await pollUntil(async () => {
    const socket = dgram.createSocket("udp4");
    socket.bind(port, "127.0.0.1");
    const bound = await once(socket, "listening").then(() => true, () => false);
    socket.close();
    return bound;
  });
  assert.ok(isFree);
});
