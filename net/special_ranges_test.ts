import assert from "node:assert/strict";
import { addressOf, type IpAddress, parseAddress } from "./address.ts";
import type { Range } from "./range.ts";
import { isLinkLocal, privateRanges, type Refuser, specialRanges, whyRefused } from "./special_ranges.ts";
import { contains } from "./range.ts";

const everybody: readonly Refuser[] = ["gateway", "helper", "names"];

function lastOf({ first, bits }: Range): IpAddress {
  return addressOf(first.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, bits - 8 * i)))));
}

function parsed(text: string): IpAddress {
  const address = parseAddress(text);
  assert(address, text);
  return address;
}

Deno.test("each range is refused by all users without an exception, from its first to its last address", () => {
  for (const { range, except } of specialRanges) {
    for (const refuser of everybody) {
      for (const address of [addressOf(range.first), lastOf(range)]) {
        const refused = whyRefused(refuser, address) !== undefined;
        assert.equal(refused, except[refuser] === undefined, `${refuser}: ${address.text} of ${range.text}`);
      }
    }
  }
});

Deno.test("only NAT64's ranges have an exception, and each exception its reason", () => {
  const excepted = specialRanges.filter(({ except }) => Object.keys(except).length > 0);
  assert.deepEqual(excepted.map(({ range }) => range.text), ["64:ff9b::/96", "64:ff9b:1::/48"]);
  for (const { except } of excepted) for (const reason of Object.values(except)) assert.match(reason, /RFC/);
});

Deno.test("each range has a source", () => {
  for (const { range, source } of specialRanges) assert.match(source, /^(RFC \d+|https:\/\/)/, range.text);
});

Deno.test("the clouds' metadata services are refused by gateway, helper and names, with a reason that says so", () => {
  const services = [
    ["169.254.169.254", /metadata service of AWS/],
    ["fd00:ec2::254", /AWS/],
    ["fd00:ec2::23", /AWS/],
    ["169.254.170.2", /ECS/],
    ["169.254.170.23", /EKS/],
    ["168.63.129.16", /Azure/],
    ["fd20:ce::254", /Google/],
    ["100.100.100.200", /Alibaba/],
    ["fd00:100::100:200", /Alibaba/],
    ["192.0.0.192", /Oracle/],
    ["fd00:c1::a9fe:a9fe", /Oracle/],
    ["169.254.42.42", /Scaleway/],
    ["fd00:42::42", /Scaleway/],
    ["169.254.0.23", /Tencent/],
    ["fd00:a9fe:a9fe::1", /Akamai/],
    ["fe80::a9fe:a9fe", /OpenStack/],
  ] as const;
  for (const refuser of everybody) {
    for (const [text, why] of services) assert.match(whyRefused(refuser, parsed(text)) ?? "", why, text);
  }
});

Deno.test("a v4-mapped address is judged as the IPv4 address that it is", () => {
  for (const refuser of everybody) {
    assert.match(whyRefused(refuser, parsed("::ffff:169.254.169.254")) ?? "", /metadata/);
    assert.equal(whyRefused(refuser, parsed("::ffff:10.96.0.1")), undefined);
  }
});

Deno.test("addresses that clusters use are not refused", () => {
  for (const text of ["10.96.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.199", "fd00::1"]) {
    assert(privateRanges.some((range) => contains(range, parsed(text))), text);
    for (const refuser of everybody) assert.equal(whyRefused(refuser, parsed(text)), undefined, text);
  }
});

Deno.test("an address is link-local when it needs an interface too", () => {
  for (const text of ["169.254.1.1", "fe80::1", "febf::1"]) assert(isLinkLocal(parsed(text)), text);
  for (const text of ["169.253.1.1", "fec0::1", "10.0.0.1"]) assert(!isLinkLocal(parsed(text)), text);
});
