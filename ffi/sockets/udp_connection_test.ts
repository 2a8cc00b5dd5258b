import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { until } from "../../async/testing/until.ts";
import { type Endpoint, parseAddress } from "../../net/address.ts";
import { UdpConnection } from "./udp_connection.ts";

async function bound(address: string) {
  const socket = dgram.createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.bind(0, address);
  await once(socket, "listening");
  return {
    socket,
    port: socket.address().port,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function endpoint(text: string, port: number): Endpoint {
  const address = parseAddress(text);
  assert.ok(address);
  return { address, port };
}

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`a closed port of ${host} is an error at once`, async () => {
    const port = await (async () => {
      await using there = await bound(host);
      return there.port;
    })();
    const errors: string[] = [];
    await using connection = await UdpConnection.open(
      endpoint(host, port),
      () => {},
      ({ message }) => void errors.push(message),
    );
    const start = performance.now();
    connection.send(Uint8Array.of(1));
    await until("it has failed", () => errors.length > 0);
    assert.deepEqual(errors, ["send: ECONNREFUSED"]);
    assert.ok(performance.now() - start < 200);
  });

  Deno.test(`datagrams of the peer at ${host} come, those of others don't`, async () => {
    await using peer = await bound(host);
    await using stranger = await bound(host);
    const got: number[][] = [];
    await using connection = await UdpConnection.open(
      endpoint(host, peer.port),
      (bytes) => void got.push([...bytes]),
      (error) => assert.fail(error),
    );
    peer.socket.on("message", (bytes, from) => {
      stranger.socket.send(Uint8Array.of(6), from.port, from.address, () => {
        peer.socket.send(bytes, from.port, from.address);
      });
    });
    connection.send(Uint8Array.of(1, 2));
    await until("the answer is there", () => got.length > 0);
    assert.deepEqual(got, [[1, 2]]);
  });
}

Deno.test("an address that can't be sent to fails before anything is sent, and leaves no socket", async () => {
  await assert.rejects(
    UdpConnection.open(endpoint("255.255.255.255", 53), () => {}, () => {}),
    /connect: E/,
  );
});
