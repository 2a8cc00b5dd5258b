import assert from "node:assert/strict";
import fc from "fast-check";
import { addressOf, type Endpoint, parseEndpoint } from "../net/address.ts";
import { checksum, portUnreachable } from "./icmp.ts";

const endpoint = (text: string): Endpoint => {
  const parsed = parseEndpoint(text);
  assert.ok(parsed);
  return parsed;
};
const hex = (bytes: Uint8Array) => bytes.toHex();

Deno.test("an ICMP message quotes the headers of the datagram that found no port", () => {
  const packet = portUnreachable(endpoint("198.18.255.254:41000"), endpoint("10.96.0.10:53"));
  assert.equal(
    hex(packet),
    "45000038" + "00000000" + "4001aa4a" + "0a60000a" + "c612fffe" + // IP: from the destination to the caller
      "03035c97" + "00000000" + // destination unreachable: port
      "4500001c" + "00000000" + "4011aa56" + "c612fffe" + "0a60000a" + // the datagram's IP header
      "a0280035" + "00080000", // and UDP's
  );
});

Deno.test("of IPv6 it has its own type, and a checksum over the addresses", () => {
  const packet = portUnreachable(endpoint("[fd70:6d7a::fe]:41000"), endpoint("[fd00:10::a]:53"));
  assert.equal(packet.length, 40 + 8 + 40 + 8);
  assert.equal(hex(packet.subarray(0, 8)), "6000000000383a40");
  assert.equal(hex(packet.subarray(40, 42)), "0104");
  assert.equal(hex(packet.subarray(48, 56)), "6000000000081140");
  assert.equal(hex(packet.subarray(88)), "a028003500080000");
});

const ports = fc.integer({ min: 1, max: 65_535 });
const bytes = (prefix: string, length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((tail) =>
    addressOf(new Uint8Array([...Uint8Array.fromHex(prefix), ...tail]))
  );

Deno.test("whatever the ends are, all checksums are right and both ends are where they belong", () => {
  const places = fc.constantFrom(["00000000000000000000ffff", 4] as const, ["fd00", 14] as const);
  fc.assert(
    fc.property(
      places.chain(([prefix, length]) => fc.tuple(bytes(prefix, length), bytes(prefix, length))),
      ports,
      ports,
      ([caller, destination], callerPort, port) => {
        const packet = portUnreachable({ address: caller, port: callerPort }, { address: destination, port });
        const header = caller.family === 4 ? 20 : 40;
        if (caller.family === 4) assert.equal(checksum(packet.subarray(0, header)), 0);
        const icmp = packet.subarray(header);
        const pseudo = caller.family === 4
          ? []
          : [...destination.bytes, ...caller.bytes, 0, 0, 0, icmp.length, 0, 0, 0, 58];
        assert.equal(checksum(new Uint8Array([...pseudo, ...icmp])), 0);
        const quoted = new DataView(packet.buffer, 2 * header + 8);
        assert.deepEqual([quoted.getUint16(0), quoted.getUint16(2)], [callerPort, port]);
      },
    ),
  );
});
