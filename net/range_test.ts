import assert from "node:assert/strict";
import fc from "fast-check";
import { addressOf, type IpAddress, parseAddress } from "./address.ts";
import { contains, overlap, parseRange, type Range, rangeOf } from "./range.ts";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

function range(text: string): Range {
  const parsed = parseRange(text);
  assert.ok(parsed, text);
  return parsed;
}

/** The same question asked of numbers instead of bytes. */
function containsByNumber(base: IpAddress, length: number, other: IpAddress): boolean {
  const width = base.family === 4 ? 32n : 128n;
  const number = (of: IpAddress) =>
    of.bytes.subarray(base.family === 4 ? 12 : 0).reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
  const shift = width - BigInt(length);
  return base.family === other.family && number(base) >> shift === number(other) >> shift;
}

Deno.test("a range has its own addresses and no others", () => {
  for (
    const [text, inside, outside] of [
      ["10.96.0.0/12", ["10.96.0.0", "10.111.255.255"], ["10.95.255.255", "10.112.0.0", "::a60:0"]],
      ["172.16.0.0/12", ["172.16.0.1", "172.31.255.255"], ["172.32.0.0", "172.15.255.255"]],
      ["192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]],
      ["0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::1"]],
      ["fd00::/8", ["fd12::1", "fdff::"], ["fc00::1", "fe00::"]],
      ["::/0", ["::1", "fe80::1"], ["1.2.3.4"]],
    ] as const
  ) {
    for (const one of inside) assert.ok(contains(range(text), address(one)), `${one} is in ${text}`);
    for (const one of outside) assert.ok(!contains(range(text), address(one)), `${one} is not in ${text}`);
  }
});

Deno.test("what is neither an address nor a range is refused", () => {
  for (
    const text of [
      "",
      "10.0.0.0/33",
      "fd00::/129",
      "10.0.0/8",
      "10.0.0.0/",
      "10.0.0.0/-1",
      "10.0.0.0/08",
      "::ffff:10.0.0.0/104",
      "a/8",
      "10.0.0.0/8 ",
    ]
  ) {
    assert.equal(parseRange(text), undefined, text);
  }
});

const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });

Deno.test("an address is in every range that is made of it", () => {
  fc.assert(fc.property(bytes, fc.nat(128), (bytes, bits) => {
    const one = addressOf(bytes);
    return contains(rangeOf(one, one.family === 4 ? bits % 33 : bits), one);
  }));
});

Deno.test("two ranges overlap where one has the other's first address", () => {
  const of = fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.nat(32)).map(([bytes, bits]) =>
    rangeOf(address([...bytes].join(".")), bits)
  );
  fc.assert(fc.property(of, of, (a, b) => {
    const expected = contains(a, addressOf(b.first)) || contains(b, addressOf(a.first));
    return overlap(a, b) === expected && overlap(b, a) === expected;
  }));
});

Deno.test("a range is written in one way", () => {
  assert.equal(range("10.1.2.3/8").text, "10.0.0.0/8");
  assert.equal(range("FD00:0:0::1/16").text, "fd00::/16");
});

Deno.test("bytes and numbers agree on what any range takes", () => {
  const any = fc.oneof(bytes.map(addressOf), fc.ipV4().map(address));
  fc.assert(fc.property(any, any, fc.nat(128), fc.nat(127), (base, random, long, flipped) => {
    const length = base.family === 4 ? long % 33 : long;
    const near = new Uint8Array(base.bytes);
    near[flipped >> 3] = (near[flipped >> 3] ?? 0) ^ (0x80 >> (flipped & 7));
    for (const other of [random, addressOf(near), base]) {
      assert.equal(
        contains(range(`${base.text}/${length}`), other),
        containsByNumber(base, length, other),
        `${other.text} in ${base.text}/${length}`,
      );
    }
  }));
});
