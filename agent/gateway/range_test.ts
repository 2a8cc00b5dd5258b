import assert from "node:assert/strict";
import fc from "fast-check";
import { addressOf, type IpAddress, parseAddress } from "../../wire/address.ts";
import { contains, parseRange, type Range } from "./range.ts";

function range(text: string): Range {
  const parsed = parseRange(text);
  assert(parsed, text);
  return parsed;
}

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert(parsed, text);
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

Deno.test("a range takes the addresses from its first to its last, and no other", () => {
  for (
    const [text, inside, outside] of [
      ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0", "::a00:0"]],
      ["10.77.1.2/32", ["10.77.1.2", "::ffff:10.77.1.2"], ["10.77.1.3"]],
      ["172.16.0.0/12", ["172.31.255.255"], ["172.32.0.0"]],
      ["0.0.0.0/0", ["1.2.3.4"], ["fd00::1"]],
      ["::/0", ["fd00::1", "::"], ["1.2.3.4"]],
      ["fd00:77::/33", ["fd00:77:7fff::1"], ["fd00:77:8000::"]],
    ] as const
  ) {
    for (const each of inside) assert(contains(range(text), address(each)), `${each} in ${text}`);
    for (const each of outside) assert(!contains(range(text), address(each)), `${each} in ${text}`);
  }
});

Deno.test("what is no range is refused, IPv4 in IPv6's dress too", () => {
  for (
    const text of [
      "",
      "10.0.0.0",
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0.0/08",
      "::/129",
      "::ffff:10.0.0.0/104",
      "ten/8",
    ]
  ) {
    assert.equal(parseRange(text), undefined, text);
  }
});

Deno.test("a range is written in one way", () => {
  assert.equal(range("10.1.2.3/8").text, "10.0.0.0/8");
  assert.equal(range("FD00:0:0::1/16").text, "fd00::/16");
});

Deno.test("bytes and numbers agree on what any range takes", () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
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
