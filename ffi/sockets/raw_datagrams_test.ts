import assert from "node:assert/strict";
import fc from "fast-check";
import { datagramsOnLoopback, rawDatagramSocket } from "../proc/pod_sockets.ts";
import { inNewNetns, isRoot } from "../testing/netns.ts";
import { SteeredDatagrams } from "./steered_datagrams.ts";
import { RawDatagrams } from "./raw_datagrams.ts";
import { closeDescriptor } from "./socket.ts";

const ends = {
  4: { here: [127, 0, 0, 1], far: [198, 51, 100, 7] },
  6: {
    here: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    far: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
  },
} as const;

/** A raw socket and one that receives, in a network namespace of their own with nothing but loopback. */
function pair(family: 4 | 6) {
  const { raw, receiver } = inNewNetns(() => {
    new Deno.Command("ip", { args: ["link", "set", "lo", "up"] }).outputSync();
    return { raw: rawDatagramSocket(family), receiver: datagramsOnLoopback(family, new Set()) };
  });
  assert.ok(receiver, `IPv${family}`);
  const datagrams = new RawDatagrams(raw, family);
  const reader = new SteeredDatagrams();
  const end = (address: readonly number[], port: number) => ({
    family,
    port,
    address: Uint8Array.from(address),
  });
  return {
    reader,
    /** Sends from an address that no device has. */
    send: (payload: Uint8Array, port: number) =>
      datagrams.send(payload, end(ends[family].far, port), end(ends[family].here, receiver.port)),
    read: () => reader.read(receiver.fd),
    port: receiver.port,
    [Symbol.dispose]() {
      datagrams[Symbol.dispose]();
      datagrams[Symbol.dispose]();
      closeDescriptor(receiver.fd);
    },
  };
}

for (const family of [4, 6] as const) {
  Deno.test({
    name:
      `a datagram comes as it was sent, with a source of another machine and a checksum that is right, by IPv${family} (needs root)`,
    ignore: !isRoot,
    fn() {
      using one = pair(family);
      const payload = fc.oneof(
        fc.uint8Array({ maxLength: 100 }),
        fc.integer({ min: 1_000, max: 65_000 }).map((length) => new Uint8Array(length).fill(length % 251)),
      );
      fc.assert(
        fc.property(payload, fc.integer({ min: 1, max: 65_535 }), (payload, port) => {
          assert.equal(one.send(payload, port), true);
          assert.equal(one.read(), true); // the kernel drops one whose checksum is wrong
          const { source, destination, payload: got } = one.reader;
          assert.deepEqual(got, payload);
          assert.deepEqual([source.family, source.port, [...source.address]], [family, port, [
            ...ends[family].far,
          ]]);
          assert.deepEqual([destination.port, [...destination.address]], [one.port, [...ends[family].here]]);
        }),
        { numRuns: 300 },
      );
      assert.equal(one.read(), false, "nothing comes twice");
    },
  });
}

Deno.test({
  name: "a datagram that is too long is dropped, and so is one after the end (needs root)",
  ignore: !isRoot,
  fn() {
    using one = pair(4);
    assert.equal(one.send(new Uint8Array(65_507), 1), true);
    assert.equal(one.read(), true);
    assert.equal(one.reader.payload.length, 65_507);
    assert.equal(one.send(new Uint8Array(65_508), 1), false);
    one[Symbol.dispose]();
    assert.equal(one.send(new Uint8Array(1), 1), false);
  },
});
