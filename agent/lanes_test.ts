import assert from "node:assert/strict";
import { memoryPair } from "../hbone/testing/memory_transport.ts";
import { formatLaneOpening, JOINED, type Lane, newTunnelName } from "../wire/lanes.ts";
import type { AbortableTransport, Transport } from "../net/transport.ts";
import { LaneJoiner } from "./lanes.ts";

/** What joins lanes, and how a laptop dials one. */
function agent(patienceMs?: number) {
  const joined: Transport[] = [];
  const lanes = new LaneJoiner((transport) => void joined.push(transport), patienceMs);
  return {
    lanes,
    joined,
    async dial(opening: Uint8Array): Promise<AbortableTransport> {
      const [ours, theirs] = memoryPair();
      void lanes.take(theirs);
      await ours.write(opening);
      return ours;
    },
    lane(lane: Lane, tunnel: string) {
      return this.dial(formatLaneOpening({ lane, tunnel }));
    },
    [Symbol.dispose]() {
      lanes[Symbol.dispose]();
      for (const transport of joined) transport.close();
    },
  };
}

/** How a lane ended. */
async function endOf(lane: Transport): Promise<string> {
  const length = await lane.read(new Uint8Array(1)).catch(() => "broken");
  return length === null ? "ended" : length === "broken" ? "broken" : "goes on";
}

Deno.test("two lanes of a tunnel are joined in any order, and the laptop is told on the main lane", async () => {
  for (const order of [["main", "bulk"], ["bulk", "main"]] as const) {
    using at = agent();
    const tunnel = newTunnelName();
    const [first, second] = [await at.lane(order[0], tunnel), await at.lane(order[1], tunnel)];
    const [main, bulk] = order[0] === "main" ? [first, second] : [second, first];
    const into = new Uint8Array(8);
    assert.equal(await main.read(into), 1);
    assert.equal(into[0], JOINED);
    const [transport] = at.joined;
    assert(transport);
    await main.write(Uint8Array.of(7));
    assert.equal(await transport.read(into), 1);
    assert.equal(into[0], 7);
    await transport.write(Uint8Array.of(8, 9));
    assert.equal(await main.read(into), 2);
    transport.peerTurned?.();
    await bulk.write(Uint8Array.of(6));
    assert.equal(await transport.read(into), 1);
    assert.equal(into[0], 6);
    assert.equal(at.lanes.waiting, 0);
  }
});

Deno.test("lanes of other tunnels, and two of one kind, aren't joined", async () => {
  using at = agent();
  const tunnel = newTunnelName();
  await at.lane("bulk", tunnel);
  await at.lane("main", newTunnelName());
  const again = await at.lane("bulk", tunnel);
  assert.equal(await endOf(again), "ended");
  assert.equal(at.joined.length, 0);
  const main = await at.lane("main", tunnel);
  assert.equal(await endOf(main), "goes on");
  assert.equal(at.joined.length, 1);
});

Deno.test("a connection without a valid opening is closed at once", async () => {
  using at = agent();
  const lane = await at.dial(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".padEnd(40)));
  assert.equal(await endOf(lane), "ended");
  assert.equal(at.lanes.waiting, 0);
});

Deno.test("a lane without a counterpart, and a silent one, are closed after their time", async () => {
  using at = agent(50);
  const alone = await at.lane("bulk", newTunnelName());
  const silent = await at.dial(new Uint8Array(3));
  assert.deepEqual(await Promise.all([endOf(alone), endOf(silent)]), ["ended", "ended"]);
  assert.equal(at.lanes.waiting, 0);
});

Deno.test("lanes beyond the limit are closed, until waiting ones are gone", async () => {
  using at = agent(200);
  const waiting = await Promise.all(Array.from({ length: 256 }, () => at.lane("bulk", newTunnelName())));
  const [ours, theirs] = memoryPair();
  await at.lanes.take(theirs);
  assert.equal(await endOf(ours), "ended");
  assert.deepEqual(new Set(await Promise.all(waiting.map(endOf))), new Set(["ended"]));
  const tunnel = newTunnelName();
  await at.lane("bulk", tunnel);
  assert.equal(await endOf(await at.lane("main", tunnel)), "goes on");
});

Deno.test("disposing closes waiting lanes, not joined ones", async () => {
  const at = agent();
  const tunnel = newTunnelName();
  await at.lane("bulk", tunnel);
  const main = await at.lane("main", tunnel);
  assert.equal(await endOf(main), "goes on");
  const alone = await at.lane("bulk", newTunnelName());
  at.lanes[Symbol.dispose]();
  assert.equal(await endOf(alone), "ended");
  await at.joined[0]?.write(Uint8Array.of(1));
  assert.equal(await endOf(main), "goes on");
  at[Symbol.dispose]();
});
