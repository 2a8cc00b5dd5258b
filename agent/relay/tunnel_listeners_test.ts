import assert from "node:assert/strict";
import { type Connection, LaneSender } from "../../hbone/mod.ts";
import type { Transport } from "../../net/transport.ts";
import { formatLaneOpening, JOINED, type Lane, newTunnelName } from "../../wire/lanes.ts";
import { identity, Laptop, uid, until } from "../testing/laptop.ts";
import { memoryLog } from "../testing/log.ts";
import { TunnelListeners } from "./tunnel_listeners.ts";
import { Tunnels } from "./tunnels.ts";

/** Relay's end of tunnels, with real sockets. */
function relayEnd() {
  const { log } = memoryLog();
  const tunnels = new Tunnels({ identity, onProven: () => {}, log });
  const listeners = new TunnelListeners({ tunnel: 0, lanes: 0 }, tunnels, log);
  return {
    tunnels,
    listeners,
    async [Symbol.asyncDispose]() {
      await listeners[Symbol.asyncDispose]();
      await tunnels[Symbol.asyncDispose]();
    },
  };
}

async function connect(port: number): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: "127.0.0.1", port });
}

/** Dials as a laptop that has two port-forwards does. */
async function dialLanes(port: number): Promise<LaneSender> {
  const tunnel = newTunnelName();
  const open = async (lane: Lane) => {
    const connection = await connect(port);
    await connection.write(formatLaneOpening({ lane, tunnel }));
    return connection;
  };
  const [main, bulk] = await Promise.all([open("main"), open("bulk")]);
  const answer = new Uint8Array(1);
  assert.equal(await main.read(answer), 1);
  assert.equal(answer[0], JOINED);
  return new LaneSender(main, bulk);
}

/** An intercepted connection's bytes, there and back. */
async function echoed(relay: ReturnType<typeof relayEnd>, rule: string, bytes: number): Promise<number> {
  const [tunnel] = relay.tunnels.of(rule);
  assert.ok(tunnel);
  const stream = tunnel.open([[":method", "CONNECT"], [":authority", `${rule}:80`]]);
  const sending = (async () => {
    const piece = new Uint8Array(64 * 1024);
    for (let sent = 0; sent < bytes;) {
      sent += await stream.write(piece.subarray(0, Math.min(piece.length, bytes - sent)));
    }
    await stream.closeWrite();
  })();
  let received = 0;
  const into = new Uint8Array(64 * 1024);
  for (let n; (n = await stream.read(into)) !== null;) received += n;
  await sending;
  return received;
}

/** A laptop whose program gives back what it gets. */
async function echoingLaptop(): Promise<Laptop> {
  return await Laptop.make({
    onStream: async (stream) => {
      stream.respond([[":status", "200"]]);
      const into = new Uint8Array(64 * 1024);
      for (let n; (n = await stream.read(into)) !== null;) {
        for (let at = 0; at < n;) at += await stream.write(into.subarray(at, n));
      }
      await stream.closeWrite();
    },
  });
}

for (
  const [what, port, dial] of [
    ["two lanes", "lanes", dialLanes],
    ["one port-forward, as older laptops have it,", "tunnel", connect],
  ] as const
) {
  Deno.test(`a laptop with ${what} proves its rules, and carries small and large answers`, async () => {
    await using relay = relayEnd();
    const laptop = await echoingLaptop();
    relay.tunnels.setRules([laptop.rule(uid(10))]);
    const transport: Transport = await dial(relay.listeners.ports[port]);
    await using _connection: Connection = laptop.serve(transport);
    await until(() => relay.tunnels.of(uid(10)).length === 1, "the rule is proven");
    // Enough for the laptop to turn to the bulk lane, and back.
    for (const bytes of [100, 8 << 20, 100]) assert.equal(await echoed(relay, uid(10), bytes), bytes);
  });
}

Deno.test("a tunnel closes when one of its lanes does", async () => {
  for (const which of ["main", "bulk"] as const) {
    await using relay = relayEnd();
    const laptop = await echoingLaptop();
    relay.tunnels.setRules([laptop.rule(uid(10))]);
    const transport = await dialLanes(relay.listeners.ports.lanes);
    await using connection = laptop.serve(transport);
    await until(() => relay.tunnels.of(uid(10)).length === 1, "the rule is proven");
    transport[which].close();
    await connection.closed;
    await until(() => relay.tunnels.of(uid(10)).length === 0, "the rule has no tunnel");
  }
});

Deno.test("closing accepts no more tunnels, keeps open ones, and closes waiting lanes", async () => {
  await using relay = relayEnd();
  const laptop = await echoingLaptop();
  relay.tunnels.setRules([laptop.rule(uid(10))]);
  const { ports } = relay.listeners;
  await using _connection = laptop.serve(await dialLanes(ports.lanes));
  await until(() => relay.tunnels.of(uid(10)).length === 1, "the rule is proven");
  using alone = await connect(ports.lanes);
  await alone.write(formatLaneOpening({ lane: "bulk", tunnel: newTunnelName() }));
  relay.listeners.close();
  assert.equal(await alone.read(new Uint8Array(1)).catch(() => null), null);
  for (const port of [ports.tunnel, ports.lanes]) {
    await assert.rejects(connect(port), Deno.errors.ConnectionRefused);
  }
  assert.equal(await echoed(relay, uid(10), 100), 100);
});

Deno.test("a lanes port that is in use leaves the tunnel's port free", async () => {
  await using relay = relayEnd();
  const { lanes } = relay.listeners.ports;
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const tunnel = free.addr.port;
  free.close();
  const { log } = memoryLog();
  assert.throws(() => new TunnelListeners({ tunnel, lanes }, relay.tunnels, log), Deno.errors.AddrInUse);
  using _again = Deno.listen({ hostname: "127.0.0.1", port: tunnel });
});
