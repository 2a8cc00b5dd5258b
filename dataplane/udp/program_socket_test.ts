import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { parseAddress } from "../../net/address.ts";
import { ProgramSocket } from "./program_socket.ts";
import { ReceiveBuffers } from "./receive_buffers.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A socket to a program at this port. */
function socketTo(port: number, hostname = "127.0.0.1") {
  const seen = { got: [] as string[], errors: [] as string[] };
  const address = parseAddress(hostname) ?? assert.fail();
  const socket = new ProgramSocket({ address, port }, new ReceiveBuffers(), {
    received: (payload) => void seen.got.push(new TextDecoder().decode(payload)),
    failed: (error) => void seen.errors.push(error.message),
  });
  return { socket, ...seen };
}

/** A program that answers each datagram with its name. */
function program(hostname = "127.0.0.1") {
  const listening = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  const serving = (async () => {
    for await (const [payload, from] of listening) {
      await listening.send(bytes(`program ${new TextDecoder().decode(payload)}`), from);
    }
  })();
  return {
    port: (listening.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listening.close();
      await serving;
    },
  };
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test(`datagrams go to the program and come from it, also many at once, at ${hostname}`, async () => {
    await using there = program(hostname);
    const one = socketTo(there.port, hostname);
    for (let i = 0; i < 100; i++) one.socket.send(bytes(`${i}`));
    await until("all came back", () => one.got.length === 100);
    assert.deepEqual(one.got, Array.from({ length: 100 }, (_, i) => `program ${i}`));
    assert.equal(one.socket.ends.remote.port, there.port);
    one.socket[Symbol.dispose]();
    one.socket[Symbol.dispose]();
    one.socket.send(bytes("too late"));
    assert.deepEqual(one.errors, []);
  });
}

Deno.test("nobody but the program is heard", async () => {
  await using there = program();
  const one = socketTo(there.port);
  const stranger = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = one.socket.ends.local;
  await stranger.send(bytes("stranger"), { transport: "udp", hostname: "127.0.0.1", port });
  one.socket.send(bytes("a"));
  await until("the program has answered", () => one.got.length > 0);
  assert.deepEqual(one.got, ["program a"]);
  stranger.close();
  one.socket[Symbol.dispose]();
});

Deno.test("a program that isn't there is told with the first datagram, one that has ended with the second", async () => {
  const none = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const { port } = none.addr as Deno.NetAddr;
  none.close();
  const one = socketTo(port);
  one.socket.send(bytes("a"));
  assert.deepEqual(one.errors, ["send: ECONNREFUSED"]);
  one.socket[Symbol.dispose]();

  const there = program();
  const other = socketTo(there.port);
  other.socket.send(bytes("a"));
  await until("it has answered", () => other.got.length === 1);
  await there[Symbol.asyncDispose]();
  other.socket.send(bytes("b"));
  other.socket.send(bytes("c"));
  assert.deepEqual(other.errors, ["send: ECONNREFUSED"]);
  other.socket[Symbol.dispose]();
});

Deno.test("a datagram that is too long is lost, and no more", async () => {
  await using there = program();
  const one = socketTo(there.port);
  one.socket.send(new Uint8Array(65_508));
  one.socket.send(bytes("a"));
  await until("the other one came", () => one.got.length === 1);
  assert.deepEqual(one.errors, []);
  one.socket[Symbol.dispose]();
});
