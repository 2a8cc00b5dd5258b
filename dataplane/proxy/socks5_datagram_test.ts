import assert from "node:assert/strict";
import fc from "fast-check";
import { parseEndpoint } from "../../net/address.ts";
import { formatHeader, headerLength, LONGEST_HEADER, targetOf } from "./socks5_datagram.ts";

const bytes = (text: string) => [...text].map((character) => character.charCodeAt(0));

/** What a datagram says: its target and payload; undefined where it isn't valid. */
function parse(datagram: Uint8Array) {
  const length = headerLength(datagram);
  if (length < 0) return undefined;
  const target = targetOf(datagram, length);
  return target && { ...target, payload: datagram.subarray(length) };
}

Deno.test("a datagram names its target by IPv4, IPv6 or name, in front of its payload", () => {
  const name = "kube-dns.kube-system.svc";
  for (
    const [header, host, port] of [
      [[1, 10, 96, 0, 10, 0, 53], "10.96.0.10", 53],
      [[4, 0xfd, ...Array(14).fill(0), 1, 1, 187], "fd00::1", 443],
      [[3, name.length, ...bytes(name), 0, 53], name, 53],
    ] as const
  ) {
    for (const payload of [Uint8Array.of(), Uint8Array.of(0, 0, 0, 1)]) {
      assert.deepEqual(parse(Uint8Array.of(0, 0, 0, ...header, ...payload)), { host, port, payload });
    }
  }
});

Deno.test("fragments, reserved bytes, other kinds, port 0 and what is cut off aren't valid", () => {
  const valid = [0, 0, 0, 1, 10, 96, 0, 10, 0, 53];
  const changed = (at: number, value: number) => Uint8Array.from(valid, (byte, i) => i === at ? value : byte);
  for (const [at, value] of [[2, 1], [2, 0x80], [0, 1], [1, 1], [3, 0], [3, 2], [3, 5], [9, 0]] as const) {
    assert.equal(parse(changed(at, value)), undefined, `${at}: ${value}`);
  }
  for (let length = 0; length < valid.length; length++) {
    assert.equal(parse(Uint8Array.from(valid.slice(0, length))), undefined);
  }
  assert.equal(parse(Uint8Array.of(0, 0, 0, 3, 2, ...bytes("\0\n"), 0, 53)), undefined);
});

Deno.test("an answer's header names its source, and is read as it was written", () => {
  for (const [host, port] of [["10.96.0.10", 53], ["fd00::1", 65_535]] as const) {
    const from = parseEndpoint(host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
    assert(from);
    assert.deepEqual(parse(formatHeader(from)), { host, port, payload: Uint8Array.of() });
  }
});

Deno.test("any bytes are a datagram or none", () => {
  const arbitrary = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.constantFrom(1, 3, 4), fc.uint8Array({ maxLength: 300 }))
      .map(([kind, rest]) => Uint8Array.of(0, 0, 0, kind, ...rest)),
  );
  fc.assert(fc.property(arbitrary, (datagram) => {
    const length = headerLength(datagram);
    assert.ok(length <= Math.min(datagram.length, LONGEST_HEADER));
    const parsed = parse(datagram);
    if (parsed !== undefined) assert.ok(parsed.port > 0 && parsed.host !== "");
  }));
});
